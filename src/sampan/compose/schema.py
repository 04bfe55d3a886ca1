"""Checking a tree against a Compose schema, with Docker Compose's messages.

The schemas are the published ones, as data files:
`data/compose-spec.json` from https://github.com/compose-spec/compose-go (Apache-2.0) and, for
stacks, `data/stack-config_schema_v3.13.json` from https://github.com/docker/cli (Apache-2.0).
They need only a handful of JSON Schema's keywords, and loading a full validator takes longer than
loading a project: so the keywords are walked here (a test compares the verdicts with
the jsonschema package's).

Of everything that is wrong the most specific fault is reported: the one deepest in the tree.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path as FilePath
from typing import Any

from sampan.compose.failures import BadKey, Path
from sampan.compose.rules import go_text
from sampan.compose.scalars import BadDuration, Duration
from sampan.lib.jsontext import decode

_DATA = FilePath(__file__).parent / "data"
COMPOSE = "compose-spec.json"
STACK = "stack-config_schema_v3.13.json"

Fault = tuple[Path, str, int]  # where, what, how specific
_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool))
        or (isinstance(value, float) and value.is_integer())
    ),
}
_PORT = re.compile(r"^\d+(-\d+)?(/[a-zA-Z]+)?$")


@cache
def load_schema(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = decode((_DATA / name).read_bytes())
    return schema


def check(tree: Any, name: str = COMPOSE, *, duplicates: bool = False) -> None:
    """Raises BadKey with the most specific fault. `duplicates` allows them in lists of any kind."""
    worst: Fault | None = None
    for fault in _Walk(load_schema(name), duplicates).faults(load_schema(name), tree, ()):
        if worst is None or fault[2] > worst[2]:
            worst = fault
    if worst is not None:
        raise BadKey(worst[0], worst[1], joint=" ")


class _Walk:
    def __init__(self, root: dict[str, Any], duplicates: bool) -> None:
        self._root = root
        self._duplicates = duplicates

    def _resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            target: Any = self._root
            for part in schema["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            schema = target
        return schema

    def faults(self, schema: dict[str, Any], value: Any, path: Path) -> Iterator[Fault]:
        schema = self._resolve(schema)
        wanted = schema.get("type")
        if wanted is not None:
            kinds = [wanted] if isinstance(wanted, str) else wanted
            if not any(_TYPES[kind](value) for kind in kinds):
                yield path, f"must be a {_readable(kinds)}", len(path)
                return
        yield from _scalar_faults(schema, value, path)
        if isinstance(value, dict):
            yield from self._mapping(schema, value, path)
        elif isinstance(value, list):
            yield from self._list(schema, value, path)
        yield from self._alternatives(schema, value, path)

    def _mapping(
        self, schema: dict[str, Any], value: dict[str, Any], path: Path
    ) -> Iterator[Fault]:
        missing = [f"'{key}'" for key in schema.get("required", ()) if key not in value]
        if missing:
            noun = "property" if len(missing) == 1 else "properties"
            yield path, f"missing {noun} {', '.join(missing)}", len(path)
        properties = schema.get("properties", {})
        patterns = schema.get("patternProperties", {})
        others = schema.get("additionalProperties", True)
        extra = []
        for key, item in value.items():
            known = False
            if key in properties:
                known = True
                yield from self.faults(properties[key], item, (*path, key))
            for pattern, below in patterns.items():
                if re.search(pattern, key):
                    known = True
                    yield from self.faults(below, item, (*path, key))
            if known or others is True:
                continue
            if others is False:
                extra.append(key)
            else:
                yield from self.faults(others, item, (*path, key))
        if extra:
            names = ", ".join(f"'{key}'" for key in extra)
            yield path, f"additional properties {names} not allowed", len(path) + 1

    def _list(self, schema: dict[str, Any], value: list[Any], path: Path) -> Iterator[Fault]:
        items = schema.get("items")
        if items:
            for index, item in enumerate(value):
                yield from self.faults(items, item, (*path, str(index)))
        if schema.get("uniqueItems") and not self._duplicates:
            for second, item in enumerate(value):
                for first in range(second):
                    if value[first] == item and type(value[first]) is type(item):
                        yield path, f"items at {first} and {second} are equal", len(path)
                        return

    def _alternatives(self, schema: dict[str, Any], value: Any, path: Path) -> Iterator[Fault]:
        for keyword in ("oneOf", "anyOf"):
            branches = schema.get(keyword)
            if not branches:
                continue
            found = [list(self.faults(branch, value, path)) for branch in branches]
            good = sum(not faults for faults in found)
            if not good:
                for faults in found:
                    yield from faults
            elif keyword == "oneOf" and good > 1:
                yield path, "oneOf failed, more than one schema matched", len(path)


def _scalar_faults(schema: dict[str, Any], value: Any, path: Path) -> Iterator[Fault]:
    depth = len(path)
    if "enum" in schema and value not in schema["enum"]:
        allowed = ", ".join(f"'{item}'" for item in schema["enum"])
        yield path, f"value must be one of {allowed}", depth
    if isinstance(value, str):
        pattern = schema.get("pattern")
        if pattern and not re.search(pattern, value):
            yield path, f"'{value}' does not match pattern '{pattern}'", depth
        problem = _format_fault(schema.get("format", ""), value)
        if problem:
            yield path, problem, depth
    if _TYPES["number"](value):
        low, high = schema.get("minimum"), schema.get("maximum")
        if low is not None and value < low:
            yield path, f"must be greater than or equal to {go_text(low)}", depth
        if high is not None and value > high:
            yield path, f"must be less than or equal to {go_text(high)}", depth


def _format_fault(kind: str, value: str) -> str:
    if kind == "duration":
        try:
            Duration.read(value)
        except BadDuration as error:
            return f"'{value}' is not valid duration: {error.message}"
    if kind == "expose" and not _PORT.match(value):
        return f"'{value}' is not valid expose"
    return ""


def _readable(kinds: list[str]) -> str:
    names = sorted("mapping" if kind == "object" else kind for kind in kinds)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
