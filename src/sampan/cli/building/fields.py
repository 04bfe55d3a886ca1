"""Values of build flags that are lists of fields: "type=local,dest=out", "id=token,env=TOKEN".

Fields are CSV, as BuildKit's clients read them: a value with a comma stands in quotes.
"""

from __future__ import annotations

import csv
import os

from sampan.cli.command import Exit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SECRET_LIMIT_BYTES = 500 << 10  # of a secret: BuildKit's


class Wanted:
    """One -o: an exporter's type, its attributes, and where its result goes here ("" nowhere)."""

    __slots__ = ("attributes", "dest", "kind")

    def __init__(self, kind: str, attributes: dict[str, str], dest: str = "") -> None:
        self.kind = kind
        self.attributes = attributes
        self.dest = dest


def fields(text: str) -> list[str]:
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise ValueError(f"invalid fields {text!r}: {error}") from error


def pairs(text: str) -> dict[str, str]:
    """Raises ValueError."""
    found = {}
    for field in fields(text):
        name, equals, value = field.partition("=")
        if not equals:
            raise ValueError(f"invalid field '{field}' must be a key=value pair")
        found[name.strip().lower()] = value
    return found


def output(text: str) -> Wanted:
    """Raises ValueError."""
    if text == "-":
        return Wanted("tar", {}, "-")
    if "=" not in text:
        return Wanted("local", {}, text)
    attributes = pairs(text)
    kind = attributes.pop("type", "")
    dest = attributes.pop("dest", "")
    if not kind:
        raise ValueError("type is required for output")
    if kind == "registry":
        kind, attributes = "image", {**attributes, "push": attributes.get("push", "true")}
    if kind == "docker" and not dest:
        kind = "moby"
    if kind == "local" and not dest:
        raise ValueError("dest is required for local output")
    if kind in {"tar", "oci", "docker"} and not dest:
        dest = "-"
    return Wanted(kind, attributes, dest)


def cache_entry(text: str) -> tuple[str, dict[str, str]]:
    """Type and attributes; a bare name is an image in a registry. Raises ValueError."""
    if "=" not in text:
        return "registry", {"ref": text}
    attributes = pairs(text)
    kind = attributes.pop("type", "")
    if not kind:
        raise ValueError(f"type required form> {text!r}")
    return kind, attributes


def secret(text: str, environment: Mapping[str, str]) -> tuple[str, Callable[[], bytes]]:
    """The id, and what reads the value. Raises ValueError."""
    found = pairs(text)
    kind = found.pop("type", "")
    identifier = found.pop("id", "")
    path = found.pop("source", found.pop("src", ""))
    variable = found.pop("env", "")
    if found:
        raise ValueError(f"unexpected key '{next(iter(found))}' in '{text}'")
    if kind not in {"", "file", "env"}:
        raise ValueError(f'unsupported secret type "{kind}"')
    if not identifier:
        raise ValueError(f"secret missing ID in '{text}'")
    if kind == "env" and not variable:
        variable, path = path or identifier, ""
    if not variable and not path:
        variable, path = (identifier, "") if identifier in environment else ("", identifier)
    if variable:
        value = environment.get(variable, "").encode("utf-8", "surrogateescape")
        return identifier, lambda: value
    if not os.path.isfile(path):  # noqa: PTH113
        raise ValueError(f"failed to stat {path}: no such file or directory")
    if os.path.getsize(path) > SECRET_LIMIT_BYTES:  # noqa: PTH202
        raise ValueError(f"invalid secret size: {path} is larger than {SECRET_LIMIT_BYTES} bytes")
    return identifier, lambda: _read(path)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read()


def agent(text: str, environment: Mapping[str, str]) -> tuple[str, list[str]]:
    """An agent's id, and its socket or keys. Raises ValueError."""
    identifier, _, paths = text.partition("=")
    if not identifier:
        raise ValueError(f"invalid ssh value '{text}'")
    found = [path for path in paths.split(",") if path]
    if not found:
        socket = environment.get("SSH_AUTH_SOCK", "")
        if not socket:
            raise ValueError(
                f"invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set ({text})"
            )
        found = [socket]
    for path in found:
        if not os.path.exists(path):  # noqa: PTH110
            raise ValueError(f"failed to open {path}: no such file or directory")
    return identifier, found


def checked(flag: str, read: Callable[[str], object]) -> Callable[[str], object]:
    """`read` with its complaint as the end of the command."""

    def run(text: str) -> object:
        try:
            return read(text)
        except ValueError as error:
            raise Exit(1, f"ERROR: --{flag}: {error}") from error

    return run
