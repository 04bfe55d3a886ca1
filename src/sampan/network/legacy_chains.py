"""The kernel's older filter (iptables-legacy): room for our bridges where it drops by policy.

A dockerd that works with iptables-legacy sets the policy of FORWARD to DROP in a filter that
nftables doesn't show, and that overrules ours. Accepting rules then stand at the head of that
chain, or in DOCKER-USER if there is one; the comment "sampan:<table>" marks them as ours. The only
way to that filter is its own tool: it is run just where it is installed and the filter is loaded
(asking would load it), and rules are written only while the policy is DROP.
"""

import logging
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from sampan.lib.log import fields

log = logging.getLogger(__name__)

# (tool, where the kernel says which of its tables are loaded; in the calling thread's namespace)
_TOOLS = (
    ("iptables-legacy", Path("/proc/thread-self/net/ip_tables_names")),
    ("ip6tables-legacy", Path("/proc/thread-self/net/ip6_tables_names")),
)
_TABLE, _CHAIN, _USER_CHAIN = "filter", "FORWARD", "DOCKER-USER"
_WAIT_S = "2"  # for others who hold the tool's lock
_LIMIT_S = 10.0


class LegacyChains:
    """Owned by the networking thread."""

    def __init__(self, table: str) -> None:
        self._marker = f"sampan:{table}"
        self._tools = [(found, names) for tool, names in _TOOLS if (found := shutil.which(tool))]

    @property
    def possible(self) -> bool:
        return bool(self._tools)

    def open_for(self, bridges: Iterable[str], *, six: bool) -> None:
        """Make our rules stand where they must, for exactly these bridges. Idempotent."""
        names = list(bridges)
        for tool, loaded in self._tools:
            wanted = names if six or "ip6" not in Path(tool).name else []
            if _TABLE in _read(loaded).split():
                try:
                    self._adjust(tool, wanted)
                except (OSError, subprocess.SubprocessError) as error:
                    log.warning(fields("firewall.legacy", tool=tool, reason=error))

    def _adjust(self, tool: str, bridges: Sequence[str]) -> None:
        rows = [shlex.split(row) for row in _run(tool, "-S").splitlines()]
        dropping = ["-P", _CHAIN, "DROP"] in rows
        target = _USER_CHAIN if ["-N", _USER_CHAIN] in rows else _CHAIN
        wanted = [self._rule(target, way, name) for name in bridges for way in ("-i", "-o")]
        if not dropping:
            wanted = []
        present = [row[1:] for row in rows if row[0] == "-A" and self._marker in row]
        for rule in wanted:
            if rule not in present:
                _run(tool, "-I", *rule)
                log.info(fields("firewall.legacy_opened", rule=" ".join(rule)))
        for rule in present:
            if rule not in wanted:
                _run(tool, "-D", *rule)

    def _rule(self, chain: str, way: str, name: str) -> list[str]:
        return [chain, way, name, "-m", "comment", "--comment", self._marker, "-j", "ACCEPT"]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # a kernel without the older filter
        return ""


def _run(tool: str, *arguments: str) -> str:
    done = subprocess.run(
        [tool, "-w", _WAIT_S, *arguments],
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
    )
    return done.stdout
