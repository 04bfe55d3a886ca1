"""JSON on the interpreter's C accelerator alone.

`import json` loads `re` and costs a third of the time a listing takes, so the client builds the
scanner and the encoder of `_json` itself. Decoding keeps the order of members (`inspect` prints
objects as the engine sent them). Encoding follows Go: no spaces, no escapes outside ASCII;
`escape_html` writes `<`, `>` and `&` as `\\u003c` and so on, which Go does for whole structs.
"""

from __future__ import annotations

import _json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_BLANK = " \t\r\n"
_CONSTANTS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


class _Context:
    """What `_json.make_scanner` reads its settings from."""

    strict = False
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = _CONSTANTS.__getitem__
    memo: dict[str, str] = {}  # noqa: RUF012 - the C scanner clears it after each value


_scan = _json.make_scanner(_Context)  # type: ignore[arg-type]  # duck-typed by the C code


class NotJson(ValueError):
    """The text isn't a JSON value."""


def _skip_blank(text: str, start: int) -> int:
    end = len(text)
    while start < end and text[start] in _BLANK:
        start += 1
    return start


def decode(data: bytes | str) -> Any:
    """The one JSON value in `data`. Raises NotJson."""
    text = data if isinstance(data, str) else data.decode("utf-8", "replace")
    try:
        value, end = _scan(text, _skip_blank(text, 0))
    except (StopIteration, ValueError) as error:
        raise NotJson(f"invalid JSON: {text[:60]!r}") from error
    if _skip_blank(text, end) != len(text):
        raise NotJson(f"trailing text after a JSON value: {text[end : end + 60]!r}")
    return value


def decode_stream(chunks: Iterator[bytes]) -> Iterator[Any]:
    """JSON values one after another, whatever the chunks' boundaries; each as soon as complete.

    A value is complete at a line end (engines end each with one) or at the end of the stream.
    """
    pending = b""
    for chunk in chunks:
        pending += chunk
        while (newline := pending.find(b"\n")) >= 0:
            line, pending = pending[:newline], pending[newline + 1 :]
            yield from _values(line)
    yield from _values(pending)


def _values(line: bytes) -> Iterator[Any]:
    text = line.decode("utf-8", "replace")
    position = _skip_blank(text, 0)
    while position < len(text):
        try:
            value, position = _scan(text, position)
        except (StopIteration, ValueError) as error:
            raise NotJson(f"invalid JSON: {text[position : position + 60]!r}") from error
        yield value
        position = _skip_blank(text, position)


def _unencodable(value: object) -> Any:
    raise TypeError(f"{type(value).__name__} has no JSON form")


def encode(value: object, *, sort_keys: bool = False, escape_html: bool = False) -> str:
    """Compact JSON as Go's encoding/json writes it."""
    encoder = _json.make_encoder(
        None,
        _unencodable,
        _json.encode_basestring,
        None,
        ":",
        ",",
        sort_keys,
        False,
        True,
    )
    text = "".join(encoder(value, 0))
    if escape_html:
        text = text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return text


def encode_indented(value: object, indent: str = "    ", prefix: str = "") -> str:
    """Like `encode`, one member a line (Go's json.Indent)."""
    inner = prefix + indent
    if isinstance(value, dict) and value:
        members = (
            f"{inner}{encode(str(key))}: {encode_indented(member, indent, inner)}"
            for key, member in value.items()
        )
        return "{\n" + ",\n".join(members) + f"\n{prefix}}}"
    if isinstance(value, list) and value:
        items = (inner + encode_indented(item, indent, inner) for item in value)
        return "[\n" + ",\n".join(items) + f"\n{prefix}]"
    return encode(value)
