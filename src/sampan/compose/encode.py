"""Plain dicts and lists -> text, byte for byte as Go's encoders write it.

JSON: `<`, `>` and `&` escaped. YAML: block style, lists indented, text quoted only where it would
read as something else (dates and YAML 1.1's booleans included), many lines as a literal block.
PyYAML's emitter writes; which style a scalar has is decided here.
"""

import io
import re
from functools import cmp_to_key
from typing import Any

import yaml

from sampan.compose.rules import go_float
from sampan.compose.yamltree import plain_scalar
from sampan.lib.jsontext import encode

_ESCAPES = {sign: f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}
_ESCAPED = re.compile("[<>&\u2028\u2029]")
_OLD_BOOLS = {
    spelling
    for word in ("y", "yes", "on", "n", "no", "off")
    for spelling in (word, word.title(), word.upper())
}
_BASE60 = re.compile(r"^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$")
_DATE = re.compile(
    r"^\d{4}-\d{1,2}-\d{1,2}"
    r"(?:(?:[Tt]|[ ])\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d+)?(?:Z|[-+]\d{2}:\d{2})?)?$"
)
_LAST_BMP = "\uffff"  # Go's emitter takes what lies behind for unprintable
_STR = "tag:yaml.org,2002:str"


def to_json(value: Any, *, compact: bool = False, step: int = 2) -> str:
    return _json(value, None if compact else "", " " * step)


def _json(value: Any, indent: str | None, step: str) -> str:
    """`indent` is the text before this level; None: everything on one line."""
    if isinstance(value, str):
        return _ESCAPED.sub(lambda match: _ESCAPES[match[0]], encode(value))
    if isinstance(value, float):
        text = go_float(value, least=-6, most=21)
        return text.replace("e-0", "e-")
    if not isinstance(value, dict | list):
        return encode(value)
    ends = "{}" if isinstance(value, dict) else "[]"
    if not value:
        return ends
    below = None if indent is None else indent + step
    if isinstance(value, dict):
        colon = ":" if indent is None else ": "
        items = [
            f"{_json(key, None, step)}{colon}{_json(item, below, step)}"
            for key, item in value.items()
        ]
    else:
        items = [_json(item, below, step) for item in value]
    if indent is None:
        return ends[0] + ",".join(items) + ends[1]
    inner = f",\n{below}".join(items)
    return f"{ends[0]}\n{below}{inner}\n{indent}{ends[1]}"


class _Emitter(yaml.emitter.Emitter):  # type: ignore[misc]
    """Lists are indented below their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def to_yaml(value: Any, *, sort: bool = False, step: int = 2) -> str:
    """`sort` orders mappings as Go's YAML encoder orders its maps."""
    stream = io.StringIO()
    emitter = _Emitter(stream, indent=step, width=float("inf"), allow_unicode=True)
    emitter.emit(yaml.StreamStartEvent())
    emitter.emit(yaml.DocumentStartEvent(explicit=False))
    _emit(emitter, value, sort)
    emitter.emit(yaml.DocumentEndEvent(explicit=False))
    emitter.emit(yaml.StreamEndEvent())
    return stream.getvalue()


def _emit(emitter: Any, value: Any, sort: bool) -> None:
    if isinstance(value, dict):
        emitter.emit(yaml.MappingStartEvent(None, None, True, flow_style=not value))
        keys = sorted(value, key=cmp_to_key(compare_keys)) if sort else value
        for key in keys:
            _emit(emitter, key, sort)
            _emit(emitter, value[key], sort)
        emitter.emit(yaml.MappingEndEvent())
    elif isinstance(value, list):
        emitter.emit(yaml.SequenceStartEvent(None, None, True, flow_style=not value))
        for item in value:
            _emit(emitter, item, sort)
        emitter.emit(yaml.SequenceEndEvent())
    else:
        text, style = _scalar(value)
        emitter.emit(yaml.ScalarEvent(None, _STR, (True, True), text, style=style))


def _scalar(value: Any) -> tuple[str, str | None]:
    if isinstance(value, str):
        return value, _style(value)
    if value is None:
        return "null", None
    if isinstance(value, bool):
        return ("true" if value else "false"), None
    return (go_float(value) if isinstance(value, float) else str(value)), None


def _style(text: str) -> str | None:
    ambiguous = (
        not isinstance(plain_scalar(text), str)
        or text in _OLD_BOOLS
        or any(sign > _LAST_BMP for sign in text)
        or _BASE60.match(text)
        or _DATE.match(text)
    )
    if ambiguous:
        return '"'
    return "|" if "\n" in text else None


def compare_keys(left: str, right: str) -> int:
    """Go's order of map keys: digits by their value, letters behind everything else."""
    digits = False
    for index, (a, b) in enumerate(zip(left, right, strict=False)):
        if a == b:
            digits = a.isdigit()
            continue
        if a.isalpha() and b.isalpha():
            return -1 if a < b else 1
        if a.isalpha() or b.isalpha():
            first = a.isalpha() if digits else b.isalpha()
            return -1 if first else 1
        return _compare_numbers(left, right, index)
    return (len(left) > len(right)) - (len(left) < len(right))


def _compare_numbers(left: str, right: str, index: int) -> int:
    def number(text: str) -> tuple[int, int]:
        end = index
        while end < len(text) and text[end].isdigit():
            end += 1
        lead = ""
        if "0" in {left[index], right[index]}:
            start = index
            while start and left[start - 1].isdigit():
                start -= 1
            lead = "1" if left[start:index].strip("0") else ""
        return int(lead + text[index:end] or "0"), end

    a, b = number(left), number(right)
    if a == b:
        return -1 if left[index] < right[index] else 1
    return -1 if a < b else 1
