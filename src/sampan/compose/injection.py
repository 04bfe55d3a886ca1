"""Secrets and configs that aren't files here: copied into a container before it starts.

Their content comes from a variable or stands in the file itself. What is copied lies in the
container's writable layer, so a read-only root can only have those that are bound files.
"""

from sampan.compose.api import EngineApi
from sampan.compose.attributes import FileReference
from sampan.compose.model import FileObject, Project, Service
from sampan.compose.mounts import config_target, secret_target
from sampan.errors import InvalidArgument, Unsupported

DEFAULT_MODE = 0o444


class VariableMissing(InvalidArgument):
    def __init__(self, kind: str, file: FileObject) -> None:
        super().__init__(
            f'environment variable "{file.environment}" required by {kind} "{file.name}" is not set'
        )


class ReadOnlyRoot(Unsupported):
    def __init__(self, kind: str, file: FileObject, service: str) -> None:
        super().__init__(
            f'cannot create {kind} "{file.name}" in read-only service {service}: '
            "`file` is the sole supported option"
        )


def inject(api: EngineApi, project: Project, service: Service, container: str) -> None:
    """Copies what belongs into the container. Raises VariableMissing or ReadOnlyRoot."""
    for reference in service.secrets:
        file = project.secrets[reference.source]
        _put(
            api, project, service, container, ("secret", file, reference, secret_target(reference))
        )
    for reference in service.configs:
        file = project.configs[reference.source]
        _put(
            api, project, service, container, ("config", file, reference, config_target(reference))
        )


def _put(
    api: EngineApi,
    project: Project,
    service: Service,
    container: str,
    what: tuple[str, FileObject, FileReference, str],
) -> None:
    kind, file, reference, target = what
    if file.file or file.external:
        return
    if file.environment and file.environment not in project.environment:
        raise VariableMissing(kind, file)
    content = file.content or project.environment.get(file.environment, "")
    if service.read_only:
        raise ReadOnlyRoot(kind, file, service.name)
    archive = file_archive(target, content.encode("utf-8", "surrogateescape"), reference)
    owned = bool(reference.uid or reference.gid)
    api.put_archive(container, "/", archive, copy_owner=owned)


def file_archive(target: str, content: bytes, reference: FileReference) -> bytes:
    """A tar with the one file; directories on the way to it are made."""
    import io
    import tarfile  # half as slow to load as the rest of the program, and rarely needed

    info = tarfile.TarInfo(target.lstrip("/"))
    info.size = len(content)
    info.mode = DEFAULT_MODE if reference.mode is None else int(reference.mode)
    info.uid, info.gid = _number(reference.uid), _number(reference.gid)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        parts = target.strip("/").split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            folder = tarfile.TarInfo("/".join(parts[:depth]))
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            out.addfile(folder)
        out.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _number(text: str) -> int:
    if text and not text.isdecimal():
        raise InvalidArgument(f'invalid user or group id "{text}"')
    return int(text or 0)
