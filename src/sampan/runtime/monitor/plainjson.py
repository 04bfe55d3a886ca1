"""JSON for the zygote and the monitors, without the `json` package.

`json` pulls in `re` and `enum`, which would be more memory than the rest of a monitor; the C
scanner that it wraps is all that is needed. Texts are ours on both ends, so there are no floats
and no custom types.
"""

import _json


class _Context:
    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float


_scan = _json.make_scanner(_Context)  # type: ignore[arg-type]  # any object with these members


def decode(data: bytes) -> dict[str, object]:
    """One JSON object. Raises ValueError."""
    try:
        value = _scan(data.decode().strip(), 0)[0]
    except StopIteration as error:
        raise ValueError("not JSON") from error
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one error for all bad input
    return value


def encode(value: object) -> str:
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _json.encode_basestring_ascii(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(map(encode, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{encode(str(k))}:{encode(v)}" for k, v in value.items()) + "}"
    raise TypeError(type(value).__name__)
