"""What the kernel can do, tried: a process of its own, in namespaces of its own, then gone.

    python -m sampan.setup.trial FOLDER [RUNTIME]     {"overlay": "", "vxlan": "why it failed", ...}

An empty text means that it works. What is tried are the engine's own calls and rules: its mounts
below FOLDER (on the data root's file system), its kinds of links, its nftables text, a container of
the host's own files by RUNTIME. Mounts, links and rules end with the process; FOLDER is the
caller's to remove. Needs root. (The kernel may load modules for it, as it would for the engine.)

The order counts: the mount and network namespaces come first, the filter of system calls last.
"""

import ctypes
import errno
import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sampan.errors import SampanError
from sampan.linux import libc, mounts, rtneigh
from sampan.linux import rtmessages as rt
from sampan.linux.beneath import open_beneath
from sampan.linux.netlink import Netlink
from sampan.linux.nft import Nft
from sampan.linux.sysctl import write_sysctl
from sampan.network.overlay_model import MeshPort, OverlayService
from sampan.network.overlay_rules import mesh_text, vip_text
from sampan.network.ruleset import IPV4, IPV6, table_text

_CLONE_NEWCGROUP, _CLONE_NEWUTS = 0x02000000, 0x04000000  # <linux/sched.h>
_CLONE_NEWIPC, _CLONE_NEWPID = 0x08000000, 0x20000000
_NO_NEW_PRIVS, _SECCOMP, _FILTER = 38, 22, 2  # <linux/prctl.h>, <linux/seccomp.h>
_ALLOW_ALL = struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)  # BPF: return SECCOMP_RET_ALLOW
_TABLE = "sampan_trial"
_CONTAINER_S = 20.0
_MAC = "02:00:00:00:00:01"


def unshare() -> None:
    libc.unshare(libc.CLONE_NEWNS | libc.CLONE_NEWNET)
    mounts.make_private(Path("/"))
    for kind in (_CLONE_NEWUTS, _CLONE_NEWIPC, _CLONE_NEWCGROUP):
        libc.unshare(kind)


def mount_calls(folder: Path) -> None:
    """Read-only binds (mount_setattr, Linux 5.12) and paths that can't escape (openat2, 5.6)."""
    source, target = folder / "source", folder / "target"
    source.mkdir()
    target.mkdir()
    mounts.bind(source, target, readonly=True)
    try:
        os.close(open_beneath(folder, "/target/..", os.O_PATH))
        (target / "file").touch()
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
    else:
        raise OSError(errno.EINVAL, "a read-only bind can be written to")
    finally:
        mounts.unmount(target)


def overlay(folder: Path) -> None:
    """A file system on which deleted files stay deleted (needs d_type, whiteouts, attributes)."""
    lower, upper, work, merged = (folder / name for name in ("lower", "upper", "work", "merged"))
    for each in (lower, upper, work, merged, lower / "dir"):
        each.mkdir()
    (lower / "file").touch()
    mounts.mount_one(mounts.overlay([lower], upper=upper, work=work), merged)
    try:
        (merged / "file").unlink()
        (merged / "dir").rmdir()
        (merged / "dir").mkdir()
        if os.listdir(merged) != ["dir"]:  # noqa: PTH208 - the names are the point
            raise OSError(errno.EOPNOTSUPP, "the file system doesn't show whiteouts (d_type)")
    finally:
        mounts.unmount(merged)


def bridge(netlink: Netlink) -> None:
    netlink.execute(rt.set_up(1), rt.create_bridge("trial0", mac=_MAC))


def veth(netlink: Netlink) -> None:
    master = netlink.get_link("trial0").index
    netlink.execute(*rt.create_veth_pair("trial1", "trial2"))
    netlink.execute(rt.set_master(netlink.get_link("trial1").index, master))
    netlink.execute(rt.bridge_port("trial1", hairpin=True))


def vxlan(netlink: Netlink) -> None:
    master = netlink.get_link("trial0").index
    tunnel = rtneigh.Vxlan("trial3", 4097, "127.0.0.1", 4789, master, 1450)
    netlink.execute(rtneigh.create_vxlan(tunnel))


def face(kind: str, netlink: Netlink) -> None:
    """A macvlan, ipvlan or VLAN on an end of the veth pair."""
    parent = netlink.get_link("trial2").index
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    requests = {
        "macvlan": rt.create_macvlan(rt.Macvlan("trial4", parent, own, _MAC)),
        "ipvlan": rt.create_ipvlan(rt.Ipvlan("trial4", parent, own)),
        "vlan": rt.create_vlan("trial4", parent, 7),
    }
    try:
        netlink.execute(requests[kind])
        netlink.execute(rt.delete_link(netlink.get_link("trial4").index))  # one bars the next
    finally:
        os.close(own)


def nat() -> None:
    with Nft() as nft:
        nft.run(table_text(IPV4, _TABLE))
        nft.run(f"add element ip {_TABLE} ports {{ tcp . 80 : 10.0.0.2 . 80 }}\n")
    write_sysctl("net/ipv4/ip_forward", "1")
    write_sysctl("net/ipv4/conf/all/route_localnet", "1")


def nat6() -> None:
    with Nft() as nft:
        nft.run(table_text(IPV6, _TABLE))
    write_sysctl("net/ipv6/conf/all/forwarding", "1")


def balancing() -> None:
    backends = ("10.0.0.2", "10.0.0.3")
    services = [
        OverlayService(name="served", vip="10.0.0.9", backends=backends),
        OverlayService(name="unserved", vip="10.0.0.8"),
    ]
    port = MeshPort(proto="tcp", published=8080, target=80, backends=backends)
    with Nft() as nft:
        nft.run(vip_text(4097, services))
        nft.run(mesh_text("trial0", [port]))


def container(folder: Path, runtime: str) -> None:
    """`true` of the host's own files, by the runtime that the engine would take."""
    bundle = folder / "bundle"
    (bundle / "rootfs").mkdir(parents=True)
    libc.mount("/", bundle / "rootfs", "", libc.MS_BIND)
    name = f"sampan-setup-{os.getpid()}"
    (bundle / "config.json").write_text(json.dumps(_configuration(name)))
    try:
        done = subprocess.run(
            [runtime, "--root", str(folder / "state"), "run", "--bundle", str(bundle), name],
            env={"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_CONTAINER_S,
            check=False,
        )
    finally:
        mounts.unmount(bundle / "rootfs", lazy=True)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise OSError(errno.EIO, said[-1] if said else f"status {done.returncode}")


def _configuration(name: str) -> dict[str, object]:
    namespaces = ("pid", "mount", "ipc", "uts", "network")
    return {
        "ociVersion": "1.0.0",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["true"],
            "env": ["PATH=/usr/bin:/bin"],
            "cwd": "/",
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {
            "cgroupsPath": f"/{name}",
            "namespaces": [{"type": each} for each in namespaces],
            "resources": {"memory": {"limit": 64 << 20}, "pids": {"limit": 100}},
        },
    }


def pids() -> None:
    """For children of this process only."""
    libc.unshare(_CLONE_NEWPID)


def seccomp() -> None:
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    code = ctypes.create_string_buffer(_ALLOW_ALL)

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    program = Program(1, ctypes.addressof(code))
    if prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) or prctl(_SECCOMP, _FILTER, ctypes.byref(program)):
        raise OSError(ctypes.get_errno(), "the kernel takes no filter")


def _steps(folder: Path, runtime: str, netlink: Netlink) -> dict[str, Callable[[], None]]:
    return {
        "mounts": partial(mount_calls, folder),
        "overlay": partial(overlay, folder),
        "bridge": partial(bridge, netlink),
        "veth": partial(veth, netlink),
        "vxlan": partial(vxlan, netlink),
        "macvlan": partial(face, "macvlan", netlink),
        "ipvlan": partial(face, "ipvlan", netlink),
        "vlan": partial(face, "vlan", netlink),
        "nat": nat,
        "nat6": nat6,
        "balancing": balancing,
        **({"container": partial(container, folder, runtime)} if runtime else {}),
        "pids": pids,
        "seccomp": seccomp,
    }


def attempt(step: Callable[[], None]) -> str:
    """Why it doesn't work; "" if it does."""
    try:
        step()
    except OSError as error:
        return error.strerror or str(error)
    except SampanError as error:
        return " ".join(error.message.split())
    except subprocess.TimeoutExpired:
        return "takes too long"
    return ""


def run(folder: Path, runtime: str) -> dict[str, str]:
    results = {"namespaces": attempt(unshare)}
    if results["namespaces"]:
        return results  # whatever came next would happen on the machine itself
    with Netlink() as netlink:
        for name, step in _steps(folder, runtime, netlink).items():
            results[name] = attempt(step)
    return results


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(Path(sys.argv[1]), (*sys.argv[2:], "")[0])))
