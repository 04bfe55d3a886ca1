"""The kernel's part of an inspection: features, tried where that can be done, else read up.

With root a process tries each feature (`trial`); without, and where a trial tells nothing, the
kernel's configuration answers (/proc/config.gz or /boot/config-RELEASE): built in or a module is
`ok`, though a module may still not be installed.
"""

import gzip
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sampan.setup.findings import Finding, Status, lacking

_TRIAL_S = 60.0


@dataclass(frozen=True, slots=True)
class Feature:
    """`key` is the trial's name, `options` the kernel's CONFIG_ names.

    Without options it is in every kernel that is young enough, which is a finding of its own.
    """

    key: str
    name: str
    why: str
    options: tuple[str, ...]
    area: str = "engine"
    required: bool = True


_NFT = ("NF_TABLES", "NFT_NAT", "NFT_MASQ", "NFT_CT")
FEATURES = (
    Feature("namespaces", "namespaces", "a container's own network, names, mounts", ("NET_NS",)),
    Feature("pids", "pid namespace", "a container's own processes", ("PID_NS",)),
    Feature("mounts", "mount calls", "binds and paths that can't escape (Linux 5.12)", ()),
    Feature("overlay", "overlay", "layers of images", ("OVERLAY_FS",)),
    Feature("bridge", "bridge", "networks", ("BRIDGE",)),
    Feature("veth", "veth", "a container's interface", ("VETH",)),
    Feature("nat", "nftables, NAT", "published ports, isolation", (*_NFT, "NFT_FIB_IPV4")),
    Feature("seccomp", "seccomp", "containers' system calls are filtered", ("SECCOMP_FILTER",)),
    Feature("nat6", "NAT for IPv6", "networks with IPv6", (*_NFT, "NFT_FIB_IPV6"), required=False),
    Feature("macvlan", "macvlan", "networks on a LAN", ("MACVLAN",), required=False),
    Feature("ipvlan", "ipvlan", "the same with one MAC", ("IPVLAN",), required=False),
    Feature("vlan", "VLAN", "macvlan and ipvlan on a VLAN", ("VLAN_8021Q",), required=False),
    Feature("vxlan", "vxlan", "overlay networks", ("VXLAN",), "swarm", required=False),
    Feature(
        "balancing",
        "numgen, reject",
        "services' addresses, routing mesh",
        ("NFT_NUMGEN", "NFT_REJECT"),
        "swarm",
        required=False,
    ),
)


def try_out(folder: Path, runtime: str) -> dict[str, str]:
    """The trial's answers; empty if it couldn't be made. Leaves nothing in `folder`."""
    with tempfile.TemporaryDirectory(prefix=".sampan-setup-", dir=folder) as place:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "sampan.setup.trial", place, *filter(None, [runtime])],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TRIAL_S,
            check=False,
        )
    try:
        answers: dict[str, str] = json.loads(done.stdout)
    except ValueError:
        return {}
    return answers


def configuration(release: str = "", root: Path = Path("/")) -> dict[str, str]:
    """CONFIG_ names with their values (y, m); empty if the kernel doesn't tell."""
    try:
        text = gzip.decompress((root / "proc/config.gz").read_bytes()).decode()
    except OSError:
        try:
            text = (root / f"boot/config-{release or platform.release()}").read_text()
        except OSError:
            return {}
    pairs = (row.removeprefix("CONFIG_").partition("=") for row in text.splitlines())
    return {key: value for key, equals, value in pairs if equals}


def feature_finding(
    feature: Feature, answers: Mapping[str, str], options: Mapping[str, str]
) -> Finding:
    absent = [name for name in feature.options if name not in options] if options else []
    if feature.key in answers:
        said = answers[feature.key]
        status = lacking(required=feature.required) if said else Status.OK
        found = said or "works"
    elif absent:
        status, found = lacking(required=feature.required), "not in this kernel"
    elif not feature.options:
        status, found = Status.OK, "goes by the kernel's version"
    elif options:
        status, found = Status.OK, "in this kernel's configuration"
    else:
        status = Status.UNKNOWN if feature.required else Status.OPTIONAL
        found = "not tried"
    return Finding(
        name=feature.name,
        status=status,
        found=found,
        why=feature.why,
        area=feature.area,
        remedy=_remedy(status, absent),
    )


def _remedy(status: Status, absent: list[str]) -> str:
    if status is Status.OK:
        return ""
    if absent:
        return f"a kernel with {' '.join(f'CONFIG_{name}' for name in absent)}"
    return "run as root" if os.geteuid() else ""


def kernel_findings(answers: Mapping[str, str]) -> list[Finding]:
    options = configuration()
    if answers.get("overlay") and "\toverlay\n" in Path("/proc/filesystems").read_text():
        answers = {**answers, "overlay": ""}  # the kernel has it: it's the disk that hasn't
    return [feature_finding(feature, answers, options) for feature in FEATURES]
