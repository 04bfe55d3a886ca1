"""The `filters` query parameter: `{"key": {"value": true}}`, or the older `{"key": ["value"]}`.

Values of one key are alternatives (labels must all match), keys must all match.
"""

import fnmatch
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sampan.errors import InvalidArgument


class InvalidFilter(InvalidArgument):
    def __init__(self, key: str, value: str | None = None) -> None:
        what = f"'{key}'" if value is None else f"'{key}={value}'"
        super().__init__(f"invalid filter {what}")


@dataclass(frozen=True, slots=True)
class Filters:
    """Parsed filters: key -> values in the order given."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def get(self, key: str) -> tuple[str, ...]:
        """The values of `key`; empty when the key isn't filtered on."""
        return self.values.get(key, ())

    def check_keys(self, allowed: Sequence[str]) -> None:
        """Raises InvalidFilter for a key that the endpoint doesn't know."""
        for key in self.values:
            if key not in allowed:
                raise InvalidFilter(key)

    def boolean(self, key: str, *, default: bool = False) -> bool:
        """A true/false filter. Raises InvalidFilter for anything else."""
        if key not in self.values:
            return default
        value = ",".join(self.values[key])
        if value.lower() in {"1", "true", "t"}:
            return True
        if value.lower() in {"0", "false", "f"}:
            return False
        raise InvalidFilter(key, value)

    def match_labels(self, labels: Mapping[str, str], *, key: str = "label") -> bool:
        """Every `label` filter (`name` or `name=value`) must hold."""
        return all(_label_holds(wanted, labels) for wanted in self.get(key))

    def match_no_labels(self, labels: Mapping[str, str]) -> bool:
        """No `label!` filter may hold."""
        return not any(_label_holds(wanted, labels) for wanted in self.get("label!"))

    def match_exact(self, key: str, value: str) -> bool:
        """One of the values is `value`, or the key isn't filtered on."""
        return key not in self.values or value in self.values[key]

    def match_pattern(self, key: str, value: str) -> bool:
        """Regular expressions found anywhere in it; what isn't one is looked for as it is."""
        return key not in self.values or any(_found(one, value) for one in self.values[key])

    def match_glob(self, key: str, value: str) -> bool:
        return key not in self.values or any(
            fnmatch.fnmatchcase(value, pattern) for pattern in self.values[key]
        )


def _found(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:
        return pattern in value


def _label_holds(wanted: str, labels: Mapping[str, str]) -> bool:
    name, equals, value = wanted.partition("=")
    return name in labels and (not equals or labels[name] == value)


def parse(text: str | None) -> Filters:
    """Parse the query parameter; empty or None filters nothing. Raises InvalidArgument."""
    if not text:
        return Filters()
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"invalid filters: {error}") from error
    if not isinstance(data, dict):
        raise InvalidArgument("invalid filters: not a JSON object")
    found: dict[str, tuple[str, ...]] = {}
    for key, value in data.items():
        if isinstance(value, dict):
            found[key] = tuple(name for name, wanted in value.items() if wanted)
        elif isinstance(value, list):
            found[key] = tuple(str(item) for item in value)
        else:
            raise InvalidFilter(key)
    return Filters(found)
