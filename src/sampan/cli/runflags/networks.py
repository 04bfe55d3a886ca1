"""`--network`, its long form, and the flags that configure the first network."""

from __future__ import annotations

from sampan.cli.runflags.mounts import fields_of
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.flags import Flags

_RESERVED = frozenset({"default", "bridge", "host", "none"})


class Attachment:
    """One network a container joins, as asked."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.aliases: list[str] = []
        self.driver_opts: dict[str, str] = {}
        self.ipv4 = self.ipv6 = self.mac = ""
        self.link_local: list[str] = []
        self.links: list[str] = []
        self.priority = 0
        self.implied = False

    @property
    def user_defined(self) -> bool:
        return self.name not in _RESERVED and not self.name.startswith("container:")

    @property
    def has_endpoint(self) -> bool:
        """Whether settings for the endpoint are sent: predefined networks have none to choose."""
        asked = self.ipv4, self.ipv6, self.mac, self.link_local, self.driver_opts, self.priority
        return self.implied or self.user_defined or any(asked)

    def endpoint(self) -> dict[str, object]:
        ipam = {
            "IPv4Address": self.ipv4,
            "IPv6Address": self.ipv6,
            "LinkLocalIPs": self.link_local,
        }
        ipam_given = {key: value for key, value in ipam.items() if value}
        return {
            "IPAMConfig": ipam_given or None,
            "Links": self.links or None,
            "Aliases": self.aliases or None,
            "MacAddress": self.mac,
            "DriverOpts": self.driver_opts or None,
            "GwPriority": self.priority,
            "NetworkID": "",
            "EndpointID": "",
            "Gateway": "",
            "IPAddress": "",
            "IPPrefixLen": 0,
            "IPv6Gateway": "",
            "GlobalIPv6Address": "",
            "GlobalIPv6PrefixLen": 0,
            "DNSNames": None,
        }


def parse_network(text: str) -> Attachment:
    """A network's name, or name=..,alias=..,ip=.. (the value of one --network)."""
    if "=" not in text:
        return Attachment(text)
    attachment = Attachment("")
    for field in fields_of(text):
        name, equals, value = field.partition("=")
        if not equals:
            raise ValueError(f"invalid field {field}")
        _take(attachment, name.strip().lower(), value.strip(), field)
    if not attachment.name:
        raise ValueError("network name/id is not specified")
    return attachment


def _take(attachment: Attachment, key: str, value: str, field: str) -> None:
    if key == "name":
        attachment.name = value
    elif key == "alias":
        attachment.aliases.append(value)
    elif key == "ip":
        attachment.ipv4 = value
    elif key == "ip6":
        attachment.ipv6 = value
    elif key == "mac-address":
        attachment.mac = mac_address(value)
    elif key == "link-local-ip":
        attachment.link_local.append(value)
    elif key == "driver-opt":
        option, _, text = value.partition("=")
        attachment.driver_opts[option] = text
    elif key == "gw-priority":
        if not value.removeprefix("-").isdecimal():
            raise ValueError(f"invalid gw-priority: {value}")
        attachment.priority = int(value)
    else:
        raise ValueError(f"invalid field key {key} in {field}")


def mac_address(text: str) -> str:
    parts = text.split("-" if "-" in text else ":")
    digits = set("0123456789abcdefABCDEF")
    if len(parts) != 6 or not all(len(part) == 2 and set(part) <= digits for part in parts):
        raise ValueError(f"{text} is not a valid mac address")
    return text


def attachments(flags: Flags) -> list[Attachment]:
    """All networks; the flags without a network of their own belong to the first."""
    given = flags.objects("network") + flags.objects("net")
    found = [item for item in given if isinstance(item, Attachment)]
    if not found:
        found = [Attachment("default")]
        found[0].implied = True
    modes = {attachment.user_defined for attachment in found}
    if len(modes) > 1:
        raise InvalidArgument(
            "conflicting options: cannot attach both user-defined and non-user-defined "
            "network-modes"
        )
    names = [attachment.name for attachment in found]
    for name in names:
        if names.count(name) > 1:
            raise InvalidArgument(f'network "{name}" is specified multiple times')
    _apply_to_first(found[0], flags)
    for attachment in found:
        if attachment.aliases and not attachment.user_defined:
            raise InvalidArgument(
                "network-scoped aliases are only supported for user-defined networks"
            )
    return found


def _apply_to_first(first: Attachment, flags: Flags) -> None:
    if first.aliases and flags.items("network-alias"):
        raise InvalidArgument(
            "conflicting options: cannot specify both --network-alias and per-network alias"
        )
    first.aliases += flags.items("network-alias")
    if first.user_defined:
        first.links += flags.items("link")
    for flag, name in (("ip", "ipv4"), ("ip6", "ipv6"), ("mac-address", "mac")):
        if value := flags.text(flag):
            if getattr(first, name):
                raise InvalidArgument(
                    f"conflicting options: cannot specify both --{flag} and per-network {flag}"
                )
            setattr(first, name, value)
    first.link_local += flags.items("link-local-ip")
