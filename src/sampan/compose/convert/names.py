"""Names and texts that Kubernetes takes: DNS labels, label keys, file and variable names.

Services are found by their name, so that one that isn't a DNS label (RFC 1035: Service objects
begin with a letter) changes what others must look for; who asks for a name reports that.
"""

import re

LONGEST = 63  # of a DNS label
ROOM = 52  # leaves room for a suffix of ours
_NOT_DNS = re.compile(r"[^a-z0-9]+")
_PART = re.compile(r"^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
_DOMAIN = re.compile(r"^[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?$")
_FILE = re.compile(r"^[-._a-zA-Z0-9]{1,253}$")
_VARIABLE = re.compile(r"^[-._a-zA-Z][-._a-zA-Z0-9]*$")


def dns_label(text: str) -> str:
    """`text` as a DNS label; its own when it is one already (and not too long)."""
    label = _NOT_DNS.sub("-", text.lower()).strip("-")
    if not label[:1].isalpha():
        label = f"x-{label}".rstrip("-")
    return label[:ROOM].rstrip("-")


class Names:
    """Hands out labels, the same for the same key, never one for two keys."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}

    def of(self, text: str, key: str = "") -> str:
        """The label for `key` (the text itself by default), made from `text`."""
        key = key or text
        if key not in self._given:
            base, label, count = dns_label(text), dns_label(text), 1
            while label in self._given.values():
                count += 1
                label = f"{base}-{count}"
            self._given[key] = label
        return self._given[key]


def is_label_key(text: str) -> bool:
    domain, slash, name = text.rpartition("/")
    if slash and (len(domain) > 253 or not _DOMAIN.match(domain)):
        return False
    return bool(_PART.match(name))


def is_label_value(text: str) -> bool:
    return not text or bool(_PART.match(text))


def is_file_key(text: str) -> bool:
    """May be a key of a ConfigMap or Secret."""
    return bool(_FILE.match(text)) and text not in {".", ".."}


def is_variable(text: str) -> bool:
    return bool(_VARIABLE.match(text)) and not text.startswith("..") and text != "."


def file_key(text: str) -> str:
    """A key for the file called `text`."""
    name = re.sub(r"[^-._a-zA-Z0-9]+", "-", text)[-200:].strip(".")
    return name or "file"


def literal(text: str) -> str:
    """`text` where Kubernetes would expand `$(NAME)` and take `$$` for a dollar sign."""
    return text.replace("$", "$$") if "$(" in text or "$$" in text else text
