"""The functions a format may call: Go's own and those Docker adds."""

from __future__ import annotations

from sampan.lib.gotemplate.formatting import sprintf
from sampan.lib.gotemplate.values import GoStruct, NoValue, show, to_json, truth, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    # by name: the least and the most number of arguments, and the function
    Functions = Mapping[str, tuple[int, int | None, Callable[..., object]]]


class FunctionError(ValueError):
    """A function refuses its arguments."""


_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;", "\0": "\ufffd"}
_JS = {"\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026"}


def _print(*values: object) -> str:
    """fmt.Print: a space between operands when neither is text."""
    parts: list[str] = []
    for index, value in enumerate(values):
        if index and not isinstance(value, str) and not isinstance(values[index - 1], str):
            parts.append(" ")
        parts.append(show(value))
    return "".join(parts)


def _println(*values: object) -> str:
    return " ".join(map(show, values)) + "\n"


def _length(value: object) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, list | tuple | dict) and not isinstance(value, GoStruct):
        return len(value)
    if value is None or isinstance(value, NoValue):
        raise FunctionError("len of nil pointer")
    raise FunctionError(f"len of type {type_name(value)}")


def _index(value: object, *keys: object) -> object:
    for key in keys:
        if isinstance(value, dict):
            value = value.get(show(key), "")
        elif isinstance(value, list | tuple | str):
            if not isinstance(key, int) or isinstance(key, bool):
                raise FunctionError(f"cannot index slice/array with type {type_name(key)}")
            if not 0 <= key < len(value):
                raise FunctionError(f"index out of range: {key}")
            value = value[key] if not isinstance(value, str) else ord(value[key])
        elif value is None or isinstance(value, NoValue):
            raise FunctionError("index of untyped nil")
        else:
            raise FunctionError(f"can't index item of type {type_name(value)}")
    return value


def _slice(value: object, *bounds: object) -> object:
    if not isinstance(value, str | list):
        raise FunctionError(f"can't slice item of type {type_name(value)}")
    numbers = [bound for bound in bounds if isinstance(bound, int)]
    for bound in numbers:
        if not 0 <= bound <= len(value):
            raise FunctionError(f"index out of range: {bound}")
    start = numbers[0] if numbers else 0
    return value[start : numbers[1]] if len(numbers) > 1 else value[start:]


def _family(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "other"


def _equal(first: object, *others: object) -> bool:
    for other in others:
        if first is None or other is None or isinstance(first, NoValue):
            if first is other:
                return True
            continue
        if _family(first) != _family(other):
            raise FunctionError("incompatible types for comparison")
        if first == other:
            return True
    return False


def _less(first: object, second: object) -> bool:
    if _family(first) != _family(second):
        raise FunctionError("incompatible types for comparison")
    if isinstance(first, str) and isinstance(second, str):
        return first < second
    if isinstance(first, int | float) and isinstance(second, int | float):
        return first < second
    raise FunctionError("invalid type for comparison")


def _join(values: object, separator: object) -> str:
    items = values if isinstance(values, list | tuple) else []
    return show(separator).join(map(show, items))


def _pad(value: object, before: object, after: object) -> str:
    text = show(value)
    if not text or not isinstance(before, int) or not isinstance(after, int):
        return text
    return " " * before + text + " " * after


def _truncate(value: object, length: object) -> str:
    text = show(value)
    return text[:length] if isinstance(length, int) and length < len(text) else text


def _title(value: object) -> str:
    text = show(value)
    return "".join(
        character.upper() if index == 0 or text[index - 1] == " " else character
        for index, character in enumerate(text)
    )


def _urlquery(*values: object) -> str:
    from urllib.parse import quote_plus

    return quote_plus(_print(*values))


def _translated(table: dict[str, str], *values: object) -> str:
    return "".join(table.get(character, character) for character in _print(*values))


FUNCTIONS: Functions = {
    "and": (1, None, lambda *values: values[-1]),
    "or": (1, None, lambda *values: values[-1]),
    "not": (1, 1, lambda value: not truth(value)),
    "len": (1, 1, _length),
    "index": (1, None, _index),
    "slice": (1, 4, _slice),
    "print": (0, None, _print),
    "printf": (1, None, sprintf),
    "println": (0, None, _println),
    "html": (1, None, lambda *values: _translated(_HTML, *values)),
    "js": (1, None, lambda *values: _translated(_JS, *values)),
    "urlquery": (1, None, _urlquery),
    "eq": (1, None, _equal),
    "ne": (2, 2, lambda first, second: not _equal(first, second)),
    "lt": (2, 2, _less),
    "le": (2, 2, lambda first, second: _less(first, second) or _equal(first, second)),
    "gt": (2, 2, lambda first, second: _less(second, first)),
    "ge": (2, 2, lambda first, second: _less(second, first) or _equal(first, second)),
    "json": (1, 1, to_json),
    "split": (2, 2, lambda value, separator: show(value).split(show(separator))),
    "join": (2, 2, _join),
    "title": (1, 1, _title),
    "lower": (1, 1, lambda value: show(value).lower()),
    "upper": (1, 1, lambda value: show(value).upper()),
    "pad": (3, 3, _pad),
    "truncate": (2, 2, _truncate),
}
