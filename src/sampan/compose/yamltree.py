"""Compose's YAML: text -> plain dicts, lists and scalars, with the line of every key.

YAML 1.2's core scalars as Docker Compose reads them: `yes`, `on` and `22:22` are text, `0o17` and
`017` octal numbers. Mapping keys are text and unique; anchors and merge keys (`<<`) are resolved;
the tags `!reset` (take the value away) and `!override` (don't merge) are reported as paths. What
aliases may blow a document up to is bounded.

PyYAML parses (libyaml when it's there) up to its nodes; its resolving and constructing, which
are YAML 1.1's, aren't used.
"""

import base64
import binascii
import importlib
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import yaml

from sampan.compose.failures import BadSyntax, Path, dotted

MAX_NODES = 500_000
MAX_DEPTH = 200
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLS = {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_INT = re.compile(r"^[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[1-9][0-9_]*|0)$")
_FLOAT = re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$")
_SPECIAL_FLOATS = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}
_TAG = "tag:yaml.org,2002:"


def _libyaml() -> Any:
    """None where PyYAML was built without it."""
    with suppress(ImportError):
        return importlib.import_module("yaml.cyaml").CParser
    return None


class _Pure(yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser, yaml.composer.Composer):  # type: ignore[misc]
    """PyYAML's own parser, for installations without libyaml."""

    def __init__(self, text: str) -> None:
        yaml.reader.Reader.__init__(self, text)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)
        yaml.composer.Composer.__init__(self)


class _Nodes(_libyaml() or _Pure):  # type: ignore[misc]
    """Composes nodes whose tag is empty unless the document gives one."""

    def resolve(self, kind: object, value: object, implicit: object) -> str:
        return ""

    def descend_resolver(self, node: object, index: object) -> None: ...

    def ascend_resolver(self) -> None: ...


class Document:
    """One YAML document of a file. `marks` maps paths to lines, `resets` lists tagged paths."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.tree: Any = None
        self.marks: dict[Path, int] = {}
        self.resets: list[Path] = []

    def line_of(self, path: Path) -> int:
        """The line of the longest beginning of `path` that this document has; 0 if none."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.marks:
                return self.marks[path[:length]]
        return 0


def read_documents(text: str, file: str) -> Iterator[Document]:
    """The documents of `text`; raises BadSyntax."""
    try:
        nodes = list(_nodes(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "not YAML"
        if problem.startswith(("did not find", "could not find")) and error.context:
            problem = f"{problem} ({error.context})"
        raise BadSyntax(
            file, mark.line + 1 if mark else 1, problem, mark.column + 1 if mark else 0
        ) from error
    except yaml.YAMLError as error:
        raise BadSyntax(file, 1, str(error).splitlines()[0]) from error
    for node in nodes:
        document = Document(file)
        builder = _Builder(document)
        tree = builder.build(node, ())
        document.tree = None if tree is _REMOVED else tree
        yield document


def _nodes(text: str) -> Iterator[Any]:
    parser = _Nodes(text)
    try:
        while parser.check_node():
            yield parser.get_node()
    finally:
        if hasattr(parser, "dispose"):
            parser.dispose()


_REMOVED = object()


class _Builder:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._count = 0
        self._above: set[int] = set()

    def _fail(self, node: Any, problem: str) -> BadSyntax:
        return BadSyntax(self._document.file, node.start_mark.line + 1, problem)

    def build(self, node: Any, path: Path) -> Any:
        self._count += 1
        if self._count > MAX_NODES:
            raise self._fail(node, "document contains excessive aliasing")
        if node.tag == "!reset":
            self._document.resets.append(path)
            return _REMOVED
        if node.tag == "!override":
            self._document.resets.append(path)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if id(node) in self._above or len(path) > MAX_DEPTH:
            raise self._fail(node, f"anchor at {dotted(path)} contains itself")
        self._above.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return self._sequence(node, path)
            return self._mapping(node, path)
        finally:
            self._above.discard(id(node))

    def _sequence(self, node: Any, path: Path) -> list[Any]:
        found = []
        for index, item in enumerate(node.value):
            here = (*path, str(index))
            self._document.marks.setdefault(here, item.start_mark.line + 1)
            value = self.build(item, here)
            if value is not _REMOVED:
                found.append(value)
        return found

    def _mapping(self, node: Any, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        lines: dict[str, int] = {}
        merges = []
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag in {"", _TAG + "merge"} and getattr(key_node, "value", "") == "<<":
                merges.append(value_node)
                continue
            key = self._key(key_node, path)
            if key in lines:
                raise self._fail(
                    key_node, f'mapping key "{key}" already defined at line {lines[key]}'
                )
            lines[key] = line
            self._document.marks[*path, key] = line
            value = self.build(value_node, (*path, key))
            if value is not _REMOVED:
                found[key] = value
        for merge in merges:
            self._merge(merge, path, found, lines)
        return found

    def _merge(self, node: Any, path: Path, into: dict[str, Any], lines: dict[str, int]) -> None:
        """Adds what `into` doesn't have yet; marks of explicit keys stay."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                raise self._fail(node, "map merge requires map or sequence of maps as the value")
            kept = dict(self._document.marks)
            merged = self.build(source, path)
            self._document.marks.update(kept)
            for key, value in merged.items():
                if key not in lines:
                    into.setdefault(key, value)

    def _key(self, node: Any, path: Path) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._fail(node, f"invalid map key in {dotted(path) or 'the top level'}")
        value = self._scalar(node)
        if not isinstance(value, str):
            where = f"in {dotted(path)}" if path else "at top level"
            raise self._fail(node, f"non-string key {where}: {node.value}")
        return value

    def _scalar(self, node: Any) -> Any:
        text: str = node.value
        if node.tag in {"", "!override"}:
            return plain_scalar(text) if node.style in {None, ""} else text
        if node.tag.startswith(_TAG):
            kind = node.tag[len(_TAG) :]
            value = plain_scalar(text)
            if kind == "str":
                return text
            if kind == "binary":
                return self._decoded(node)
            if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
                return float(value)
            if {"int": int, "float": float, "bool": bool, "null": type(None)}.get(kind) is type(
                value
            ):
                return value
            raise self._fail(node, f"cannot decode `{text}` as a !!{kind}")
        return text

    def _decoded(self, node: Any) -> str:
        try:
            return base64.b64decode(node.value, validate=False).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise self._fail(node, "!!binary value contains invalid base64 data") from error


def plain_scalar(text: str) -> str | int | float | bool | None:
    """What an unquoted scalar means."""
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if text[0] in "+-.0123456789":
        if _INT.match(text):
            return _integer(text)
        if _FLOAT.match(text):
            return float(text)
        special = _SPECIAL_FLOATS.get(text.lower())
        if special:
            return float(special)
    return text


def _integer(text: str) -> int | str:
    digits = text.replace("_", "")
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    try:
        if re.fullmatch(r"0[0-7]+", digits):
            return sign * int(digits, 8)
        return sign * int(digits, 0)
    except ValueError:
        return text
