"""Which mount a path lies on, and how that passes later mounts on (proc(5), mountinfo)."""

import re
from dataclasses import dataclass
from pathlib import Path

_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class HostMount:
    point: str
    shared: bool  # passes mounts on, and gets those of its peers
    slave: bool  # gets those of its master


def mount_of(path: Path) -> HostMount:
    """The uppermost mount at or above `path`, links followed."""
    wanted = str(path.resolve())
    best = HostMount("/", shared=False, slave=False)
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split(" ")
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4])
        covers = point in {"/", wanted} or wanted.startswith(f"{point}/")
        if covers and len(point) >= len(best.point):  # of equal ones the last is on top
            optional = fields[6 : fields.index("-", 6)]
            best = HostMount(
                point,
                shared=any(field.startswith("shared:") for field in optional),
                slave=any(field.startswith("master:") for field in optional),
            )
    return best
