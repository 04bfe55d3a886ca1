"""`cp`: files between a container and here, or as a tar stream."""

from __future__ import annotations

import os
import posixpath
import sys

from sampan.cli.command import Command, Exit
from sampan.cli.commands.containers.lifecycle import path as api_path
from sampan.cli.copying import (
    ContainerPath,
    Source,
    Target,
    local_source,
    local_target,
    plan,
    renamed,
    split_spec,
)
from sampan.cli.flags import Flag
from sampan.client.errors import EngineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags
    from sampan.client.exchange import Response


class _Reading:
    """A response's body as a file to read from."""

    def __init__(self, response: Response) -> None:
        self._chunks = response.chunks()
        self._held = b""

    def read(self, size: int, /) -> bytes:
        if not self._held:
            self._held = next(self._chunks, b"")
        part, self._held = self._held[:size], self._held[size:]
        return part


def _stat(context: Context, container: str, path: str) -> ContainerPath | None:
    """None when nothing is there."""
    try:
        response = context.client.call(
            "HEAD", api_path(container, "/archive"), query=[("path", path)]
        )
    except EngineError as error:
        if error.status == 404:
            return None
        raise
    response.close()
    return ContainerPath(response)


def _resolved(path: str, link_target: str) -> str:
    if link_target.startswith("/"):
        return link_target
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), link_target))


def _from_container(context: Context, flags: Flags, container: str, inside: str, local: str) -> int:
    path, rename = inside, ""
    if flags.on("follow-link"):
        found = _stat(context, container, path)
        if found is not None and found.link_target:
            rename = posixpath.basename(path.rstrip("/"))
            path = _resolved(path, found.link_target)
    target = None if local == "-" else local_target(local)
    query = [("path", path)]
    response = context.client.call("GET", api_path(container, "/archive"), query=query)
    if target is None:
        from sampan.cli.archive import save_body

        save_body(response, "")
        return 0
    source = Source(path, is_directory=ContainerPath(response).is_directory)
    if rename and target.is_directory:
        target = Target(f"{target.path.rstrip('/')}/{rename}", exists=False, is_directory=False)
    _unpack(response, source, target, keep_owner=flags.on("archive"))
    _report(context, flags, local)
    return 0


def _unpack(response: Response, source: Source, target: Target, *, keep_owner: bool) -> None:
    """Puts the archive beneath the target's folder and nowhere else, whatever is in it."""
    from pathlib import Path

    import msgspec

    from sampan.lib.tarstream import Kind, TarReader
    from sampan.store.extractor import Extractor

    folder, name = plan(source, target)
    owner = None if keep_owner else (os.getuid(), os.getgid())
    reader = TarReader(_Reading(response))
    with Extractor(Path(folder), layer=False, owner=owner, keep_directories=True) as extractor:
        for entry in reader:
            if name:
                link = entry.link
                if entry.kind is Kind.HARD_LINK:
                    link = renamed(link, source.base, name)
                entry = msgspec.structs.replace(
                    entry, name=renamed(entry.name, source.base, name), link=link
                )
            extractor.add(entry, reader)
        reader.drain()
        extractor.finish()


def _pack(source: Source, name: str, *, follow: bool) -> Iterator[bytes]:
    """The local source as an archive whose root is called `name` ("" keeps its own name)."""
    from sampan.cli.tarring import END, Packer

    packer = Packer()
    root = name or source.base
    if source.is_directory:
        real = os.path.realpath(source.path) if follow else source.path.rstrip("/") or "/"
        yield from packer.file(real, f"{root}/")
        yield from packer.tree(real, f"{root}/")
    else:
        yield from packer.file(source.path, root, follow=follow)
    yield END


def _container_target(context: Context, container: str, path: str) -> Target:
    found = _stat(context, container, path)
    if found is not None and found.link_target:
        path = _resolved(path.rstrip("/"), found.link_target)
        found = _stat(context, container, path)
    return Target(
        path, exists=found is not None, is_directory=found is not None and found.is_directory
    )


def _to_container(context: Context, flags: Flags, local: str, container: str, inside: str) -> int:
    source = None if local == "-" else local_source(local, follow=flags.on("follow-link"))
    target = _container_target(context, container, inside)
    if source is None:
        if not target.is_directory:
            raise Exit(1, f'destination "{container}:{inside}" must be a directory')
        from sampan.cli.archive import pieces

        folder, body = target.path, pieces(sys.stdin.buffer)
    else:
        folder, name = plan(source, target)
        body = _pack(source, name, follow=flags.on("follow-link"))
    query = [("noOverwriteDirNonDir", "true"), ("path", folder)]
    if flags.on("archive"):
        query.insert(0, ("copyUIDGID", "true"))
    context.client.call(
        "PUT",
        api_path(container, "/archive"),
        query=query,
        headers={"Content-Type": "text/plain"},
        body=body,
    ).read()
    if source is not None:
        _report(context, flags, f"{container}:{inside}")
    return 0


def _report(context: Context, flags: Flags, target: str) -> None:
    if not flags.on("quiet") and sys.stderr.isatty():
        context.err(f"Successfully copied to {target}\n")


def run(context: Context, flags: Flags, words: list[str]) -> int:
    source, target = words
    if not source or not target:
        raise Exit(1, "source or destination can not be empty")
    from_container, from_path = split_spec(source)
    to_container, to_path = split_spec(target)
    if from_container and to_container:
        raise Exit(1, "copying between containers is not supported")
    if from_container:
        return _from_container(context, flags, from_container, from_path, target)
    if to_container:
        return _to_container(context, flags, source, to_container, to_path)
    raise Exit(1, "must specify at least one container source")


CP = Command(
    run,
    "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n"
    "\tsampan cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
    flags=(
        Flag("archive", "a", "bool", "Archive mode (copy all uid/gid information)"),
        Flag("follow-link", "L", "bool", "Always follow symbol link in SRC_PATH"),
        Flag("quiet", "q", "bool", "Suppress progress output during copy"),
    ),
    least=2,
    most=2,
    description="Copy files/folders between a container and the local filesystem\n\n"
    "Use '-' as the source to read a tar archive from stdin\n"
    "and extract it to a directory destination in a container.\n"
    "Use '-' as the destination to stream a tar archive of a\n"
    "container source to stdout.",
)
