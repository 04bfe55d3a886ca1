"""The text of our nftables table, for IPv4 and for its IPv6 twin. Pure; `firewall` runs it.

    set bridges, internal, intra, subnets          who we are
    map ports     { proto . port : addr . port }          published on all addresses
    map addrports { addr . proto . port : addr . port }   published on one address
    guard        raw prerouting   containers never reach the host's loopback (route_localnet!)
    prerouting, output            to local addresses: addrports, then ports
    postrouting                   loopback clients, hairpin, the way out: masquerade
    forward                       between our bridges, internal ones, unpublished ports: drop

The kernel has no counterpart of route_localnet for IPv6: answers that are translated back to ::1
are dropped. So ::1 is left alone here, and `relay` serves clients of the host's own loopback.
"""

from dataclasses import dataclass
from ipaddress import ip_address

_TABLE = """
add table {ip} {table}
delete table {ip} {table}
table {ip} {table} {{
  set bridges {{ type ifname; }}
  set internal {{ type ifname; }}
  set intra {{ type ifname . ifname; }}
  set subnets {{ type {address}; flags interval; }}
  map ports {{ type inet_proto . inet_service : {address} . inet_service; }}
  map addrports {{ type {address} . inet_proto . inet_service : {address} . inet_service; }}
  chain guard {{
    type filter hook prerouting priority raw; policy accept;
    iifname @bridges {ip} daddr {loopback} drop
  }}
  chain publish {{
    dnat {ip} to {ip} daddr . meta l4proto . th dport map @addrports
    dnat {ip} to meta l4proto . th dport map @ports
  }}
  chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local jump publish
  }}
  chain output {{
    type nat hook output priority -100; policy accept;
    {untranslated}fib daddr type local jump publish
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname @bridges {ip} saddr {loopback} masquerade
    oifname @bridges ct status dnat {ip} saddr @subnets masquerade
    oifname != @bridges {ip} saddr @subnets masquerade
  }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    ct status dnat oifname @bridges accept
    iifname . oifname @intra accept
    iifname @bridges oifname @bridges drop
    iifname @internal drop
    oifname @bridges drop
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Family:
    """One address family in nft's words; `any` is the address that means all of the host's."""

    ip: str
    address: str
    any: str
    loopback: str
    version: int
    untranslated: str = ""


IPV4 = Family("ip", "ipv4_addr", "0.0.0.0", "127.0.0.0/8", 4)
IPV6 = Family("ip6", "ipv6_addr", "::", "::1", 6, untranslated="ip6 daddr != ::1 ")
ANY_ADDRESSES = frozenset({IPV4.any, IPV6.any})


def family_of(address: str) -> Family:
    return IPV6 if ip_address(address).version == 6 else IPV4


@dataclass(frozen=True, slots=True)
class BridgeRules:
    name: str
    subnet: str = ""
    subnet6: str = ""
    internal: bool = False  # nothing in, nothing out
    icc: bool = True  # containers of the bridge may talk to each other
    masquerade: bool = True


@dataclass(frozen=True, slots=True)
class PortRule:
    proto: str
    host_ip: str
    host_port: int
    target_ip: str
    target_port: int

    @property
    def key(self) -> tuple[str, str, int]:
        return self.proto, self.host_ip, self.host_port


def table_text(family: Family, table: str) -> str:
    """The table, empty, in place of what has its name."""
    return _TABLE.format(
        table=table,
        ip=family.ip,
        address=family.address,
        loopback=family.loopback,
        untranslated=family.untranslated,
    )


def removal(family: Family, table: str) -> str:
    """Correct whether the table is there or not."""
    return f"add table {family.ip} {table}\ndelete table {family.ip} {table}\n"


def bridge_elements(family: Family, table: str, verb: str, bridge: BridgeRules) -> list[str]:
    name = f'"{bridge.name}"'
    subnet = bridge.subnet if family is IPV4 else bridge.subnet6
    found = [("bridges", name)]
    if bridge.internal:
        found.append(("internal", name))
    if bridge.icc:
        found.append(("intra", f"{name} . {name}"))
    if bridge.masquerade and subnet and not bridge.internal:
        found.append(("subnets", subnet))
    return [_element(family, table, verb, where, what) for where, what in found]


def port_element(table: str, verb: str, rule: PortRule) -> str:
    family = family_of(rule.host_ip)
    key = f"{rule.proto} . {rule.host_port}"
    name = "ports"
    if rule.host_ip != family.any:
        name, key = "addrports", f"{rule.host_ip} . {key}"
    value = f" : {rule.target_ip} . {rule.target_port}" if verb == "add" else ""
    return _element(family, table, verb, name, key + value)


def _element(family: Family, table: str, verb: str, name: str, element: str) -> str:
    return f"{verb} element {family.ip} {table} {name} {{ {element} }}\n"
