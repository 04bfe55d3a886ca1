"""Configs, secrets, env files and mounted single files -> ConfigMaps and Secrets.

A config or secret is one object with one key, mounted by `subPath` where Compose would put it.
Where the content can't be had (external, a driver's, a missing file) no object is written: the
reference stays and the report says what must exist first.
"""

import base64
from collections.abc import Mapping

from sampan.compose.attributes import FileReference
from sampan.compose.convert.kubernetes_scope import Manifest, Scope
from sampan.compose.convert.names import file_key, is_file_key
from sampan.compose.model import FileObject, Service

LARGEST = 1 << 20  # of a ConfigMap or Secret
SECRET_FOLDER = "/run/secrets/"  # noqa: S105 - a path
CONTENT = {"configs": "ConfigMap", "secrets": "Secret"}


class Files:
    """Collects the objects; each is made once, by whoever mounts it first."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._objects: dict[tuple[str, str], Manifest] = {}

    @property
    def manifests(self) -> list[Manifest]:
        return [self._objects[key] for key in sorted(self._objects)]

    def reference(self, kind: str, service: Service, one: FileReference) -> tuple[str, str]:
        """The object's name and its key, for `one` of a service's configs or secrets."""
        part = getattr(self._scope.project, kind).get(one.source) or FileObject()
        key = file_key(one.source)
        if part.external:
            return self._external(kind, one.source, part), key
        name = self._scope.files.of(one.source, f"{kind} {one.source}")
        content = self._content(part)
        where = f"{kind}.{one.source}"
        self._scope.report.fields("", where, part, {"template_driver": "no templates"})
        if content is None or len(content) > LARGEST:
            why = "larger than 1 MiB" if content is not None else "its content isn't at hand"
            self._scope.report.dropped(
                "", where, f"{why}: create the {CONTENT[kind]} {name} with the key {key}"
            )
        else:
            self._add(CONTENT[kind], name, {key: content})
        return name, key

    def _external(self, kind: str, source: str, part: FileObject) -> str:
        name = self._scope.files.of(part.name or source, f"{kind} {source}")
        self._scope.report.changed(
            "",
            f"{kind}.{source}.external",
            f"the {CONTENT[kind]} {name} must exist, with the key {file_key(source)}",
        )
        return name

    def _content(self, part: FileObject) -> bytes | None:
        if part.driver:
            return None
        if part.file:
            return self._scope.source.read(part.file)
        if part.environment and not part.content:
            environment = self._scope.project.environment
            return b"" if part.environment in environment else None
        return part.content.encode()

    def mounted(self, service: Service, path: str, content: bytes) -> tuple[str, str]:
        """A ConfigMap for a file that the Compose file binds from its own folder."""
        name = self._scope.files.of(
            f"{service.name}-{path.rpartition('/')[2]}", f"{service.name} {path}"
        )
        key = file_key(path.rpartition("/")[2])
        self._add("ConfigMap", name, {key: content})
        return name, key

    def variables(self, service: Service, values: Mapping[str, str]) -> list[Manifest]:
        """`envFrom` for what came from env files."""
        kept = {name: text.encode() for name, text in values.items() if is_file_key(name)}
        for name in values.keys() - kept.keys():
            self._scope.report.dropped(service.name, f"env_file.{name}", "no name of a variable")
        if not kept:
            return []
        name = self._scope.files.of(f"{service.name}-env", f"{service.name} env_file")
        self._add("ConfigMap", name, kept)
        return [{"configMapRef": {"name": name}}]

    def _add(self, kind: str, name: str, values: Mapping[str, bytes]) -> None:
        text: dict[str, str] = {}
        binary: dict[str, str] = {}
        for key, content in sorted(values.items()):
            try:
                text[key] = content.decode()
            except UnicodeDecodeError:
                binary[key] = base64.b64encode(content).decode()
        secret = kind == "Secret"
        found: Manifest = {
            "apiVersion": "v1",
            "kind": kind,
            "metadata": self._scope.metadata(name),
        }
        found |= {"type": "Opaque"} if secret else {}
        found |= {"stringData" if secret else "data": text} if text else {}
        found |= {"data" if secret else "binaryData": binary} if binary else {}
        self._objects[kind, name] = found


def target(kind: str, one: FileReference) -> str:
    """Where Compose puts it."""
    folder = SECRET_FOLDER if kind == "secrets" else "/"
    path = one.target or one.source
    return path if path.startswith("/") else folder + path
