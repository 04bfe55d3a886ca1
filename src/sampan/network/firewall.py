"""The nftables table of one daemon: published ports, masquerading, isolation.

Owned by the networking thread. The whole wanted state is kept here, so that the table can be
written anew at any time in one transaction; single changes are single transactions. If one of
those fails (somebody flushed the ruleset) everything is written anew.

At a daemon's start the table may be there and carry traffic of running containers. It is kept
(`held`), and only added to, until the state is known again: `release` then replaces it in one
transaction.

    set bridges, internal, intra, subnets          who we are
    map ports     { proto . port : addr . port }          published on all addresses
    map addrports { addr . proto . port : addr . port }   published on one address
    guard        raw prerouting   containers never reach the host's 127.0.0.0/8 (route_localnet!)
    prerouting, output            to local addresses: addrports, then ports
    postrouting                   loopback clients, hairpin, the way out: masquerade
    forward                       between our bridges, internal ones, unpublished ports: drop

Other people's forward chains are opened for our bridges by `foreign_chains`.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from sampan.lib.log import fields
from sampan.linux.nft import Nft, RulesetRefused
from sampan.network.foreign_chains import ForeignChains

log = logging.getLogger(__name__)

ANY = "0.0.0.0"

_TABLE = """
add table ip {table}
delete table ip {table}
table ip {table} {{
  set bridges {{ type ifname; }}
  set internal {{ type ifname; }}
  set intra {{ type ifname . ifname; }}
  set subnets {{ type ipv4_addr; flags interval; }}
  map ports {{ type inet_proto . inet_service : ipv4_addr . inet_service; }}
  map addrports {{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }}
  chain guard {{
    type filter hook prerouting priority raw; policy accept;
    iifname @bridges ip daddr 127.0.0.0/8 drop
  }}
  chain publish {{
    dnat ip to ip daddr . meta l4proto . th dport map @addrports
    dnat ip to meta l4proto . th dport map @ports
  }}
  chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local jump publish
  }}
  chain output {{
    type nat hook output priority -100; policy accept;
    fib daddr type local jump publish
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname @bridges ip saddr 127.0.0.0/8 masquerade
    oifname @bridges ct status dnat ip saddr @subnets masquerade
    oifname != @bridges ip saddr @subnets masquerade
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
class BridgeRules:
    name: str
    subnet: str
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


class Firewall:
    def __init__(self, table: str, nft: Nft) -> None:
        self._table = table
        self._nft = nft
        self._bridges: dict[str, BridgeRules] = {}
        self._ports: dict[tuple[str, str, int], PortRule] = {}
        self._held = False
        self._foreign = ForeignChains(table, nft)

    def start(self) -> None:
        """Write the table, or hold back if one is there."""
        self._held = self._exists()
        if not self._held:
            self._write_all()

    def _exists(self) -> bool:
        tables = (entry["table"] for entry in self._nft.list("tables ip") if "table" in entry)
        return any(table["name"] == self._table for table in tables)

    def release(self) -> None:
        """The state is complete: from now on the table is what it says."""
        if self._held:
            self._held = False
            self._write_all()

    def add_bridge(self, bridge: BridgeRules) -> None:
        if self._bridges.get(bridge.name) == bridge:
            return
        self._bridges[bridge.name] = bridge
        self._commit("".join(self._bridge_elements("add", bridge)))
        self._foreign.open_for(self._bridges)

    def remove_bridge(self, name: str) -> None:
        bridge = self._bridges.pop(name, None)
        if bridge is None:
            return
        self._commit("".join(self._bridge_elements("delete", bridge)))
        self._foreign.open_for(self._bridges)

    def add_ports(self, rules: Iterable[PortRule]) -> None:
        """Publish; a rule for the same host port replaces the one before."""
        commands = []
        for rule in rules:
            old = self._ports.get(rule.key)
            if old:
                commands.append(self._port_element("delete", old))
            self._ports[rule.key] = rule
            commands.append(self._port_element("add", rule))
        self._commit("".join(commands))

    def remove_ports(self, rules: Iterable[PortRule]) -> None:
        gone = [rule for rule in rules if self._ports.get(rule.key) == rule]
        for rule in gone:
            del self._ports[rule.key]
        self._commit("".join(self._port_element("delete", rule) for rule in gone))

    def repair(self, *, own: bool) -> None:
        """Others changed the ruleset; `own`: our table was touched, whatever is left of it."""
        if own and not self._held:
            log.warning(fields("firewall.restored", table=self._table))
            self._write_all()
        else:
            self._foreign.open_for(self._bridges)

    def remove(self) -> None:
        """Take everything of ours out of the ruleset."""
        self._bridges.clear()
        self._ports.clear()
        self._nft.run(f"add table ip {self._table}\ndelete table ip {self._table}\n")
        self._foreign.open_for(self._bridges)

    # --- writing ------------------------------------------------------------------------

    def _commit(self, commands: str) -> None:
        if not commands:
            return
        try:
            self._nft.run(commands)
        except RulesetRefused as failure:
            if self._held:  # what an earlier daemon left differs: `release` sets it right
                log.info(fields("firewall.held", table=self._table, reason=failure.message))
                return
            log.warning(fields("firewall.rewritten", table=self._table, reason=failure.message))
            self._write_all()

    def _write_all(self) -> None:
        parts = [_TABLE.format(table=self._table)]
        for bridge in self._bridges.values():
            parts += self._bridge_elements("add", bridge)
        parts += [self._port_element("add", rule) for rule in self._ports.values()]
        self._nft.run("".join(parts))
        self._foreign.open_for(self._bridges)

    def _bridge_elements(self, verb: str, bridge: BridgeRules) -> list[str]:
        name = f'"{bridge.name}"'
        found = [self._element(verb, "bridges", name)]
        if bridge.internal:
            found.append(self._element(verb, "internal", name))
        if bridge.icc:
            found.append(self._element(verb, "intra", f"{name} . {name}"))
        if bridge.masquerade and bridge.subnet and not bridge.internal:
            found.append(self._element(verb, "subnets", bridge.subnet))
        return found

    def _port_element(self, verb: str, rule: PortRule) -> str:
        key = f"{rule.proto} . {rule.host_port}"
        name = "ports"
        if rule.host_ip != ANY:
            name, key = "addrports", f"{rule.host_ip} . {key}"
        value = f" : {rule.target_ip} . {rule.target_port}" if verb == "add" else ""
        return self._element(verb, name, key + value)

    def _element(self, verb: str, name: str, element: str) -> str:
        return f"{verb} element ip {self._table} {name} {{ {element} }}\n"
