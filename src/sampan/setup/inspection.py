"""The whole inspection: what a machine has and lacks for an engine, a hub and a swarm.

It changes nothing: what is tried is tried by a process of its own, in namespaces that end with it.
"""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sampan.lib import needs
from sampan.linux.cgroups import CgroupLayout
from sampan.linux.mountinfo import mount_of
from sampan.setup import cgroups, kernel, machine, neighbours, programs
from sampan.setup.findings import Finding, Status


@dataclass(frozen=True, slots=True)
class Place:
    """Where the engine would be."""

    data_root: Path
    address: str
    bridge: str


def inspect(place: Place, family: str) -> list[Finding]:
    layout = CgroupLayout.detect()
    asked_runtime = needs.RUNTIME.find()
    # what version 2 still holds bars crun until the engine has moved it
    runtime = "" if layout.on_unified() else asked_runtime
    answers = _trial(place.data_root, runtime)
    return [
        *machine.machine_findings(),
        *kernel.kernel_findings(answers),
        *cgroups.cgroup_findings(layout),
        *programs.program_findings(family),
        *([_container(runtime, answers)] if "container" in answers else []),
        machine.disk_finding(place.data_root, _file_system(place.data_root), answers),
        *neighbours.neighbour_findings(place.address, place.bridge),
    ]


def _trial(data_root: Path, runtime: str) -> dict[str, str]:
    if os.geteuid():
        return {}
    try:
        return kernel.try_out(machine.existing_folder(data_root), runtime)
    except (OSError, subprocess.TimeoutExpired):
        return {}


def _container(runtime: str, answers: Mapping[str, str]) -> Finding:
    said = answers["container"]
    return Finding(
        name="a container",
        status=Status.MISSING if said else Status.OK,
        found=said or f"started and ended by {Path(runtime).name}",
        why="the host's `true`, with namespaces and limits",
    )


def _file_system(data_root: Path) -> str:
    point = mount_of(machine.existing_folder(data_root)).point
    rows = Path("/proc/self/mountinfo").read_text().splitlines()
    kinds = [row.partition(" - ")[2].split()[0] for row in rows if row.split()[4] == point]
    return kinds[-1] if kinds else ""
