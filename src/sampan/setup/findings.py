"""What an inspection says: one finding for each thing that is looked at.

ok        there, and (where that could be done) tried
missing   not there, and without it no engine runs
optional  not there; what `why` names doesn't work
unknown   needed, but it couldn't be found out (no root, no kernel configuration to read)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sampan.lib.needs import Need


class Status(StrEnum):
    OK = "ok"
    MISSING = "missing"
    OPTIONAL = "optional"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`found` is what is there, `remedy` a command or a sentence where something lacks."""

    name: str
    status: Status
    found: str
    why: str
    area: str = "engine"
    remedy: str = ""
    need: Need | None = None  # that a package can satisfy


def lacking(*, required: bool) -> Status:
    return Status.MISSING if required else Status.OPTIONAL


def would_run(findings: Sequence[Finding]) -> bool:
    """Whether an engine would run here, as far as this can be known."""
    return all(finding.status in {Status.OK, Status.OPTIONAL} for finding in findings)


def needs_of(findings: Sequence[Finding], *statuses: Status) -> list[Need]:
    """What packages can give to those of `statuses`."""
    return [each.need for each in findings if each.need is not None and each.status in statuses]
