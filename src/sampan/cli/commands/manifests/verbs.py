"""`manifest create|annotate|inspect|push|rm`: one name for an image's builds for several platforms.

A list is put together on this machine (`lists.py`) and pushed as a whole; its images are in a
registry already. Output, files and the list's bytes are those of Docker's client.
"""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from sampan.cli.command import Command, Exit
from sampan.cli.commands.manifests.lists import (
    ImageManifest,
    ManifestLists,
    NoSuchManifest,
    NotInList,
    check_platform,
    document,
)
from sampan.cli.commands.manifests.remote import opened
from sampan.cli.context import Context
from sampan.cli.flags import Flag, Flags
from sampan.oci.descriptor import Platform
from sampan.oci.reference import Reference, parse_reference

_INSECURE = "Allow communication with an insecure registry"


def _reference(text: str) -> Reference:
    return parse_reference(text).with_default_tag()


def _lists(context: Context) -> ManifestLists:
    return ManifestLists(Path(context.config.path).parent)


def create(context: Context, flags: Flags, names: list[str]) -> int:
    lists, chosen = _lists(context), _reference(names[0])
    if lists.names(chosen) and not flags.on("amend"):
        raise Exit(1, "refusing to amend an existing manifest list with no --amend flag")
    images = [_reference(name) for name in names[1:]]
    unknown = [image for image in images if lists.find(chosen, image) is None]

    async def fetch() -> list[ImageManifest]:
        async with opened(context, unknown, insecure=flags.on("insecure")) as remote:
            return [await remote.image(image) for image in unknown]

    for image, manifest in zip(unknown, asyncio.run(fetch()), strict=True):
        lists.put(chosen, image, manifest)
    context.say(f"Created manifest list {chosen}")
    return 0


def annotate(context: Context, flags: Flags, names: list[str]) -> int:
    lists = _lists(context)
    chosen, image = map(_reference, names)
    manifest = lists.find(chosen, image)
    if manifest is None:
        raise NotInList(image, chosen)
    now = manifest.Descriptor.platform or Platform()
    features = (*(now.os_features or ()), *flags.items("os-features"))
    platform = msgspec.structs.replace(
        now,
        os=flags.text("os") or now.os,
        architecture=flags.text("arch") or now.architecture,
        variant=flags.text("variant") or now.variant,
        os_version=flags.text("os-version") or now.os_version,
        os_features=tuple(dict.fromkeys(features)) or None,
    )
    check_platform(platform)
    described = msgspec.structs.replace(manifest.Descriptor, platform=platform)
    lists.put(chosen, image, msgspec.structs.replace(manifest, Descriptor=described))
    return 0


def inspect(context: Context, flags: Flags, names: list[str]) -> int:
    lists, verbose = _lists(context), flags.on("verbose")
    if len(names) > 1:
        chosen, image = map(_reference, names)
        manifest = lists.find(chosen, image)
        if manifest is None:
            raise NoSuchManifest(image)
        _show_image(context, manifest, verbose=verbose)
        return 0
    reference = _reference(names[0])
    images = lists.images(reference)
    if images:
        whole = document(one.Descriptor for one in images)[1]
        _show_list(context, whole, images, verbose=verbose)
        return 0

    async def fetch() -> tuple[bytes | None, Iterable[ImageManifest]]:
        async with opened(context, [reference], insecure=flags.on("insecure")) as remote:
            return await remote.list(reference)

    found, parts = asyncio.run(fetch())
    if found is None:
        (manifest,) = parts
        _show_image(context, manifest, verbose=verbose)
    else:
        _show_list(context, found, parts, verbose=verbose)
    return 0


def _show_image(context: Context, manifest: ImageManifest, *, verbose: bool) -> None:
    shown = msgspec.to_builtins(manifest) if verbose else manifest.fields
    context.say(_indented(shown))


def _show_list(
    context: Context, whole: bytes, images: Iterable[ImageManifest], *, verbose: bool
) -> None:
    context.say(_indented(msgspec.to_builtins(list(images))) if verbose else whole.decode())


def _indented(value: Any) -> str:
    return json.dumps(value, indent="\t", ensure_ascii=False)


def push(context: Context, flags: Flags, names: list[str]) -> int:
    lists, chosen = _lists(context), _reference(names[0])
    images = [(_reference(one.Ref), one) for one in lists.images(chosen)]
    if not images:
        raise NoSuchManifest(chosen)

    async def send() -> None:
        async with opened(context, [chosen], insecure=flags.on("insecure")) as remote:
            async for line in remote.push(chosen, images):
                context.say(line)

    asyncio.run(send())
    if flags.on("purge"):
        lists.remove(chosen)
    return 0


def remove(context: Context, flags: Flags, names: list[str]) -> int:
    del flags
    lists, failures = _lists(context), []
    for name in names:
        try:
            lists.remove(_reference(name))
        except NoSuchManifest as error:
            failures.append(error.message)
    if failures:
        raise Exit(1, "\n".join(failures))
    return 0


CREATE = Command(
    create,
    "MANIFEST_LIST MANIFEST [MANIFEST...]",
    flags=(
        Flag("amend", "a", "bool", "Amend an existing manifest list"),
        Flag("insecure", "", "bool", _INSECURE),
    ),
    least=2,
    most=None,
)
ANNOTATE = Command(
    annotate,
    "[OPTIONS] MANIFEST_LIST MANIFEST",
    flags=(
        Flag("arch", "", "string", "Set architecture"),
        Flag("os", "", "string", "Set operating system"),
        Flag("os-features", "", "strings", "Set operating system feature"),
        Flag("os-version", "", "string", "Set operating system version"),
        Flag("variant", "", "string", "Set architecture variant"),
    ),
    least=2,
    most=2,
)
INSPECT = Command(
    inspect,
    "[OPTIONS] [MANIFEST_LIST] MANIFEST",
    flags=(
        Flag("insecure", "", "bool", _INSECURE),
        Flag("verbose", "v", "bool", "Output additional info including layers and platform"),
    ),
    least=1,
    most=2,
)
PUSH = Command(
    push,
    "[OPTIONS] MANIFEST_LIST",
    flags=(
        Flag("insecure", "", "bool", "Allow push to an insecure registry"),
        Flag("purge", "p", "bool", "Remove the local manifest list after push"),
    ),
    least=1,
    most=1,
)
RM = Command(
    remove,
    "MANIFEST_LIST [MANIFEST_LIST...]",
    least=1,
    most=None,
)
