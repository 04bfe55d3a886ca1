"""Who else is on the machine: engines and firewalls, which mostly may stand beside ours."""

import socket
from collections.abc import Sequence
from pathlib import Path

from sampan.errors import NotFound
from sampan.linux.netlink import Netlink
from sampan.linux.rtroutes import Net
from sampan.network.ipam import choose_subnet
from sampan.network.model import DEFAULT_ADDRESS_POOLS
from sampan.setup.findings import Finding, Status

_LINKS = Path("/sys/class/net")
_SOCKETS = {
    "dockerd": Path("/run/docker.sock"),
    "containerd": Path("/run/containerd/containerd.sock"),
    "podman": Path("/run/podman/podman.sock"),
}
_BRIDGES = {"docker0": "dockerd", "podman0": "podman", "cni0": "Kubernetes"}
_FIREWALLD = Path("/run/firewalld.pid")


def neighbour_findings(address: str, bridge: str) -> list[Finding]:
    """`address` is where the engine would listen, `bridge` its default network's."""
    ours = answers(Path(address.removeprefix("unix://")))
    return [
        _socket(address, ours=ours),
        _engines(),
        subnets(_claimed(), ours=ours or (_LINKS / bridge).exists()),
        *([_firewalld()] if _FIREWALLD.exists() else []),
    ]


def answers(path: Path) -> bool:
    """Whether a server listens at a unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except PermissionError:
            return True
        except OSError:
            return False
        return True


def _socket(address: str, *, ours: bool) -> Finding:
    return Finding(
        name="socket",
        status=Status.OK,
        found=f"{address}: {'an engine answers' if ours else 'free'}",
        why="where clients come in",
    )


def engines(links: Path = _LINKS) -> list[str]:
    """Other engines that run, or have left a bridge."""
    found = [name for name, path in _SOCKETS.items() if answers(path)]
    found += [
        f"{name} (its bridge {bridge})"
        for bridge, name in _BRIDGES.items()
        if name not in found and (links / bridge).exists()
    ]
    return found


def _engines() -> Finding:
    found = engines()
    return Finding(
        name="other engines",
        status=Status.OK,
        found=", ".join(found) or "none",
        why="they may run beside this one: nothing is shared",
    )


def subnets(claimed: Sequence[Net], *, ours: bool) -> Finding:
    """Whether the engine would find addresses for its first network."""
    try:
        found, enough = f"room in {choose_subnet(DEFAULT_ADDRESS_POOLS, claimed)}", True
    except NotFound:
        found, enough = "routes of this machine claim all default pools", ours
    return Finding(
        name="subnets",
        status=Status.OK if enough else Status.MISSING,
        found=found,
        why="addresses of containers",
        remedy="" if enough else "--bip and --default-address-pool with a free range",
    )


def _claimed() -> list[Net]:
    with Netlink() as netlink:
        return netlink.claimed()


def _firewalld() -> Finding:
    ranges = " ".join(f"--add-source={each}" for each in ("172.16.0.0/12", "192.168.0.0/16"))
    return Finding(
        name="firewalld",
        status=Status.OPTIONAL,
        found="runs",
        why="it refuses what containers send, unless told to trust them",
        remedy=f"firewall-cmd --permanent --zone=trusted {ranges} && firewall-cmd --reload",
    )
