"""What secrets and configs have in common: names, sizes, who uses them, what may change.

Both can't be changed but for their labels, and not removed while a service has them.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping

from sampan.errors import InvalidArgument
from sampan.swarm.control.refusals import Refused
from sampan.swarm.model import Service
from sampan.wire.filters import Filters

_NAME = re.compile(r"[a-zA-Z0-9]+(?:[a-zA-Z0-9-_.]*[a-zA-Z0-9])?")
LONGEST_NAME = 64
FILTERS = ("id", "name", "names", "label")


def check_name(name: str) -> None:
    if not name:
        raise Refused("name must be provided")
    if len(name) > LONGEST_NAME or _NAME.fullmatch(name) is None:
        raise Refused(
            "invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, "
            "and the start and end character must be [a-zA-Z0-9]"
        )


def check_content(content: str, kind: str, limit: int) -> None:
    """`content` is base64. Raises Refused for too little or too much."""
    try:
        size = len(base64.b64decode(content, validate=True))
    except (binascii.Error, ValueError) as error:
        raise InvalidArgument("illegal base64 data at input byte 0") from error
    if not 0 < size < limit:
        raise Refused(f"{kind} data must be larger than 0 and less than {limit} bytes")


def check_unused(kind: str, name: str, users: Iterable[Service]) -> None:
    names = sorted(service.spec.Name for service in users)
    if names:
        plural = "s" if len(names) > 1 else ""
        raise Refused(
            f"{kind} '{name}' is in use by the following service{plural}: {', '.join(names)}"
        )


def matches(filters: Filters, identifier: str, name: str, labels: Mapping[str, str]) -> bool:
    return (
        begins(filters, "id", identifier)
        and begins(filters, "name", name)
        and filters.match_exact("names", name)
        and filters.match_labels(labels)
    )


def begins(filters: Filters, key: str, value: str) -> bool:
    """Whether a value of the filter is the beginning; true when it isn't filtered on."""
    return key not in filters or any(value.startswith(each) for each in filters.get(key))
