"""The firewall of one daemon: published ports, masquerading, isolation (`ruleset`).

Owned by the networking thread. The whole wanted state is kept here, so that the tables can be
written anew at any time in one transaction; single changes are single transactions. If one of
those fails (somebody flushed the ruleset) everything is written anew.

At a daemon's start the tables may be there and carry traffic of running containers. They are kept
(`held`), and only added to, until the state is known again: `release` then replaces them in one
transaction. The IPv6 twin is there exactly while a bridge has an IPv6 subnet.

Other people's forward chains are opened for our bridges by `foreign_chains` (nftables) and
`legacy_chains` (the kernel's older filter).
"""

import logging
from collections.abc import Iterable

from sampan.lib.log import fields
from sampan.linux.nft import Nft, RulesetRefused
from sampan.network.foreign_chains import ForeignChains
from sampan.network.legacy_chains import LegacyChains
from sampan.network.ruleset import (
    IPV4,
    IPV6,
    BridgeRules,
    Family,
    PortRule,
    bridge_elements,
    port_element,
    removal,
    table_text,
)

log = logging.getLogger(__name__)


class Firewall:
    def __init__(self, table: str, nft: Nft) -> None:
        self._table = table
        self._nft = nft
        self._bridges: dict[str, BridgeRules] = {}
        self._ports: dict[tuple[str, str, int], PortRule] = {}
        self._held = False
        self._twin = False  # the IPv6 table is there
        self._foreign = ForeignChains(table, nft)
        self._legacy = LegacyChains(table)

    def start(self) -> None:
        """Write the table, or hold back if one is there."""
        present = {
            entry["table"]["family"]
            for entry in self._nft.list("tables")
            if "table" in entry and entry["table"]["name"] == self._table
        }
        self._twin = IPV6.ip in present
        self._held = IPV4.ip in present
        if not self._held:
            self._write_all()

    def release(self) -> None:
        """The state is complete: from now on the tables are what it says."""
        if self._held:
            self._held = False
            self._write_all()

    def add_bridge(self, bridge: BridgeRules) -> None:
        if self._bridges.get(bridge.name) == bridge:
            return
        self._bridges[bridge.name] = bridge
        commands = bridge_elements(IPV4, self._table, "add", bridge)
        if self._twin:
            commands += bridge_elements(IPV6, self._table, "add", bridge)
        elif bridge.subnet6:
            self._twin = True
            commands += self._whole(IPV6)
        self._commit("".join(commands))
        self._open_others()

    def remove_bridge(self, name: str) -> None:
        bridge = self._bridges.pop(name, None)
        if bridge is None:
            return
        commands = bridge_elements(IPV4, self._table, "delete", bridge)
        if self._twin and not self._wants_twin() and not self._held:
            self._twin = False
            commands.append(removal(IPV6, self._table))
        elif self._twin:
            commands += bridge_elements(IPV6, self._table, "delete", bridge)
        self._commit("".join(commands))
        self._open_others()

    def _wants_twin(self) -> bool:
        return any(bridge.subnet6 for bridge in self._bridges.values())

    def add_ports(self, rules: Iterable[PortRule]) -> None:
        """Publish; a rule for the same host port replaces the one before."""
        commands = []
        for rule in rules:
            old = self._ports.get(rule.key)
            if old:
                commands.append(port_element(self._table, "delete", old))
            self._ports[rule.key] = rule
            commands.append(port_element(self._table, "add", rule))
        self._commit("".join(commands))

    def remove_ports(self, rules: Iterable[PortRule]) -> None:
        gone = [rule for rule in rules if self._ports.get(rule.key) == rule]
        for rule in gone:
            del self._ports[rule.key]
        self._commit("".join(port_element(self._table, "delete", rule) for rule in gone))

    def repair(self, *, own: bool) -> None:
        """Others changed the ruleset; `own`: a table of ours was touched, whatever is left."""
        if own and not self._held:
            log.warning(fields("firewall.restored", table=self._table))
            self._write_all()
        else:
            self._open_others()

    @property
    def legacy_possible(self) -> bool:
        """Whether `check_legacy` may ever find something."""
        return self._legacy.possible

    def check_legacy(self) -> None:
        """The older filter gives no notice of changes: it has to be looked at now and then."""
        self._legacy.open_for(self._bridges, six=self._twin)

    def remove(self) -> None:
        """Take everything of ours out of the ruleset."""
        self._bridges.clear()
        self._ports.clear()
        twin = removal(IPV6, self._table) if self._twin else ""
        self._nft.run(removal(IPV4, self._table) + twin)
        self._open_others()
        self._twin = False

    # --- writing ------------------------------------------------------------------------

    def _open_others(self) -> None:
        self._foreign.open_for(self._bridges, six=self._twin)
        self._legacy.open_for(self._bridges, six=self._twin)

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
        parts = self._whole(IPV4)
        wanted = self._wants_twin()
        if wanted:
            parts += self._whole(IPV6)
        elif self._twin:
            parts.append(removal(IPV6, self._table))
        self._nft.run("".join(parts))
        self._twin = wanted
        self._open_others()

    def _whole(self, family: Family) -> list[str]:
        parts = [table_text(family, self._table)]
        for bridge in self._bridges.values():
            parts += bridge_elements(family, self._table, "add", bridge)
        six = family is IPV6
        rules = [rule for rule in self._ports.values() if (":" in rule.host_ip) == six]
        return parts + [port_element(self._table, "add", rule) for rule in rules]
