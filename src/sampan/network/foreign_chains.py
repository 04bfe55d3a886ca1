"""Other people's firewalls: room for our bridges where they drop what they don't know.

An accept in our table doesn't overrule another table's drop. Where a foreign forward chain drops
by policy (dockerd's FORWARD, firewalls), two accepting rules per bridge stand at its head, or in
DOCKER-USER if the table has that chain. The comment "sampan:<table>" marks them as ours; nothing
else there is ever touched. What is unpublished stays closed: our own table drops it.
"""

import logging
from collections.abc import Iterable
from typing import NamedTuple

from sampan.lib.log import fields
from sampan.linux.nft import Nft, RulesetRefused

log = logging.getLogger(__name__)

_USER_CHAIN = "DOCKER-USER"


class Chain(NamedTuple):
    family: str
    table: str
    name: str


class ForeignChains:
    """Owned by the networking thread, as the `Nft` is."""

    def __init__(self, table: str, nft: Nft) -> None:
        self._table = table
        self._nft = nft
        self._marker = f"sampan:{table}"
        self._opened: set[Chain] = set()

    def open_for(self, bridges: Iterable[str], *, six: bool) -> None:
        """Make our rules stand where they must, for exactly these bridges. Idempotent.

        `six`: IPv6 too. (Without our own IPv6 table nothing would keep unpublished ports closed.)
        """
        existing, dropping = self._chains({"ip", "inet", "ip6"} if six else {"ip", "inet"})
        matches = [f'{way} "{name}"' for name in bridges for way in ("iifname", "oifname")]
        wanted = {(chain, match) for chain in dropping for match in matches}
        present = self._present((dropping | self._opened) & existing)
        commands = [
            f'insert rule {" ".join(chain)} {match} counter accept comment "{self._marker}"\n'
            for chain, match in sorted(wanted - set(present))
        ]
        commands += [
            f"delete rule {' '.join(key[0])} handle {handle}\n"
            for key, handle in present.items()
            if key not in wanted
        ]
        if commands:
            self._run("".join(commands))
        self._opened = dropping if matches else set()

    def _run(self, commands: str) -> None:
        try:
            self._nft.run(commands)
        except RulesetRefused as failure:  # they changed it meanwhile: a notice of that follows
            log.warning(fields("firewall.foreign_chain", reason=failure.message))

    def _chains(self, families: set[str]) -> tuple[set[Chain], set[Chain]]:
        """(all chains, where rules of ours belong)."""
        listed = [entry["chain"] for entry in self._nft.list("chains") if "chain" in entry]
        existing = {Chain(entry["family"], entry["table"], entry["name"]) for entry in listed}
        dropping = set()
        for entry in listed:
            if entry.get("hook") != "forward" or entry.get("policy") != "drop":
                continue
            if entry["family"] not in families or entry["table"] == self._table:
                continue
            user_chain = Chain(entry["family"], entry["table"], _USER_CHAIN)
            own = Chain(entry["family"], entry["table"], entry["name"])
            dropping.add(user_chain if user_chain in existing else own)
        return existing, dropping

    def _present(self, chains: Iterable[Chain]) -> dict[tuple[Chain, str], int]:
        """Handles of the rules that carry our mark."""
        found: dict[tuple[Chain, str], int] = {}
        for chain in chains:
            for entry in self._nft.list(f"chain {' '.join(chain)}"):
                rule = entry.get("rule", {})
                if rule.get("comment") != self._marker:
                    continue
                match = rule["expr"][0]["match"]
                key = f'{match["left"]["meta"]["key"]} "{match["right"]}"'
                found[chain, key] = rule["handle"]
        return found
