"""Where the remote drivers send to: syslog's address and form, and the journal's fields."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from sampan.errors import InvalidArgument
from sampan.logs import tags

JOURNAL_SOCKET = "/run/systemd/journal/socket"
LOCAL_SYSLOG = ("/dev/log", "/var/run/syslog", "/var/run/log")  # what syslogs listen at
SYSLOG_OPTIONS = frozenset(
    {"syslog-address", "syslog-facility", "syslog-format"}
    | {"syslog-tls-ca-cert", "syslog-tls-cert", "syslog-tls-key", "syslog-tls-skip-verify"}
)
_PORT = 514
_FORMATS = ("", "rfc3164", "rfc5424", "rfc5424micro")
_NAMED = ("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron")
_FACILITIES = {name: number for number, name in enumerate((*_NAMED, "authpriv", "ftp"))} | {
    f"local{number}": 16 + number for number in range(8)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """`network`: unix, unixgram, udp, tcp or tcp+tls. The unix ones have paths to try."""

    network: str
    paths: tuple[str, ...] = ()
    host: str = ""
    port: int = 0


def check_syslog(options: Mapping[str, str]) -> None:
    """Raises InvalidArgument."""
    parse_address(options.get("syslog-address", ""))
    facility(options.get("syslog-facility", ""))
    syslog_format(options.get("syslog-format", ""))


def parse_address(text: str) -> Address:
    """Of `syslog-address`. Raises InvalidArgument."""
    if not text:
        return Address(network="unixgram", paths=LOCAL_SYSLOG)
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in {"unix", "unixgram", "udp", "tcp", "tcp+tls"}:
        raise InvalidArgument(f"unsupported syslog address: '{text}'")
    if scheme.startswith("unix"):
        if not rest.startswith("/"):
            raise InvalidArgument(f"syslog-address must name an absolute path: '{text}'")
        return Address(network=scheme, paths=(rest,))
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname or "", parts.port or _PORT
    except ValueError as error:
        raise InvalidArgument(f"invalid syslog-address '{text}': {error}") from error
    if not host:
        raise InvalidArgument(f"invalid syslog-address '{text}': no host")
    return Address(network=scheme, host=host, port=port)


def facility(text: str) -> int:
    """The number of a facility's name or number; `daemon` when nothing is asked for."""
    if not text:
        return _FACILITIES["daemon"]
    if text in _FACILITIES:
        return _FACILITIES[text]
    if text.isdecimal() and int(text) <= 23:
        return int(text)
    raise InvalidArgument("invalid syslog facility")


def syslog_format(text: str) -> str:
    if text not in _FORMATS:
        raise InvalidArgument("Invalid syslog format")
    return text


def tls(options: Mapping[str, str]) -> dict[str, str | bool]:
    """Docker takes any value of syslog-tls-skip-verify, even `false`, for yes."""
    return {
        "ca": options.get("syslog-tls-ca-cert", ""),
        "cert": options.get("syslog-tls-cert", ""),
        "key": options.get("syslog-tls-key", ""),
        "verify": not options.get("syslog-tls-skip-verify"),
    }


def journal_fields(options: Mapping[str, str], facts: tags.Facts) -> dict[str, str]:
    """The fields of every entry but the text's own."""
    tag = render_tag(options, facts)
    own = {
        "CONTAINER_ID": facts.id[:12],
        "CONTAINER_ID_FULL": facts.id,
        "CONTAINER_NAME": facts.name,
        "CONTAINER_TAG": tag,
        "IMAGE_NAME": facts.image_name,
        "SYSLOG_IDENTIFIER": tag,
    }
    extra = {_field_name(name): text for name, text in tags.chosen(options, facts).items()}
    return own | {name: text for name, text in extra.items() if name}


def _field_name(name: str) -> str:
    """As the journal takes it: capital letters, digits and inner underscores."""
    return re.sub(r"[^A-Z0-9]", "_", name.upper()).lstrip("_")


def render_tag(options: Mapping[str, str], facts: tags.Facts) -> str:
    """Of a remote driver, which always has one."""
    return tags.render(options.get("tag") or tags.DEFAULT_TAG, facts)
