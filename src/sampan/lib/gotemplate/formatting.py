"""Go's printf verbs for the values of templates."""

from sampan.lib.gotemplate.values import show, type_name
from sampan.lib.jsontext import encode

_FLAGS = "+-# 0"


def sprintf(template: object, *values: object) -> str:
    text = show(template)
    parts: list[str] = []
    remaining = list(values)
    position = 0
    while (percent := text.find("%", position)) >= 0:
        parts.append(text[position:percent])
        end = percent + 1
        while end < len(text) and (
            text[end] in _FLAGS or text[end].isdecimal() or text[end] == "."
        ):
            end += 1
        if end >= len(text):
            parts.append("%!(NOVERB)")
            position = end
            break
        options, verb = text[percent + 1 : end], text[end]
        position = end + 1
        if verb == "%":
            parts.append("%")
        elif not remaining:
            parts.append(f"%!{verb}(MISSING)")
        else:
            parts.append(_one(options, verb, remaining.pop(0)))
    parts.append(text[position:])
    if remaining:
        extra = ", ".join(f"{type_name(value)}={show(value)}" for value in remaining)
        parts.append(f"%!(EXTRA {extra})")
    return "".join(parts)


def _one(options: str, verb: str, value: object) -> str:
    flags = options[: len(options) - len(options.lstrip(_FLAGS))]
    width, _, precision = options[len(flags) :].partition(".")
    body = _body(flags, verb, value, precision if "." in options else None)
    if body is None:
        return f"%!{verb}({type_name(value)}={show(value)})"
    room = int(width or 0)
    if "-" in flags:
        return body.ljust(room)
    if "0" in flags and isinstance(value, int | float):
        return body.zfill(room)
    return body.rjust(room)


def _body(flags: str, verb: str, value: object, precision: str | None) -> str | None:
    if verb in "vs":
        text = show(value)
        return text if precision is None else text[: int(precision or 0)]
    if verb == "q":
        return encode(value) if isinstance(value, str) else show(value)
    if verb == "t":
        return show(value) if isinstance(value, bool) else None
    if verb == "T":
        return type_name(value)
    if verb in "xX" and isinstance(value, str):
        digits = value.encode().hex()
        return digits.upper() if verb == "X" else digits
    if verb in "dxXobc" and isinstance(value, int):
        sign = "+" if "+" in flags and verb == "d" else ""
        return format(value, sign + verb)
    if verb in "feEgG" and isinstance(value, int | float):
        return format(float(value), f".{precision or 6}{verb}" if verb != "g" else verb)
    return None
