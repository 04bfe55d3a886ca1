"""Programs and libraries that aren't Python's: what each is for, and which package has it.

The one list of them. Whoever misses one raises its own error with `hint` of the entry here, and
`sampan setup` goes through `NEEDS`. What scripts/setup installs for running (it can't import this:
no Python is there yet) are Debian's packages of the entries that are `basic`; a test compares.

Packages are by family of distributions, the name of the family being its package program: apt
(Debian, Ubuntu), dnf (Fedora and relatives), apk (Alpine). No entry: that family has none.
"""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

OS_RELEASE = Path("/etc/os-release")
_FAMILIES = {
    "debian": "apt",
    "ubuntu": "apt",
    "fedora": "dnf",
    "rhel": "dnf",
    "centos": "dnf",
    "alpine": "apk",
}
_INSTALL = {
    "apt": ("apt-get", "install", "-y", "--no-install-recommends"),
    "dnf": ("dnf", "install", "-y"),
    "apk": ("apk", "add"),
}


@dataclass(frozen=True, slots=True)
class Need:
    """`programs`: one of them is enough, the first that is there is taken. `library`: a soname."""

    name: str
    why: str
    packages: Mapping[str, str] = field(default_factory=dict)
    programs: tuple[str, ...] = ()
    library: str = ""
    area: str = "engine"
    required: bool = False  # without it no engine runs
    basic: bool = False  # scripts/setup installs it

    def find(self) -> str:
        """The path of the program; "" if there is none."""
        return next(filter(None, map(shutil.which, self.programs)), "")

    def hint(self, release: Path = OS_RELEASE) -> str:
        """How to get it on this machine."""
        command = install_command([self], family(release))
        return f"install it: {' '.join(command)}" if command else f"install {self.name}"


def _same(name: str) -> dict[str, str]:
    return {"apt": name, "dnf": name, "apk": name}


RUNTIME = Need(
    "crun",
    "OCI runtime: starts containers (runc does, too, in twice the time)",
    _same("crun"),
    programs=("crun", "runc"),
    required=True,
    basic=True,
)
NFTABLES = Need(
    "libnftables",
    "published ports, NAT and isolation",
    {"apt": "libnftables1", "dnf": "nftables", "apk": "nftables"},
    library="libnftables.so.1",
    required=True,
    basic=True,
)
NFT = Need(
    "nft",
    "to look at the rules by hand",
    _same("nftables"),
    programs=("nft",),
    basic=True,
)
SECCOMP = Need(
    "libseccomp",
    "filters of system calls made once, not at each start",
    {"apt": "libseccomp2", "dnf": "libseccomp", "apk": "libseccomp"},
    library="libseccomp.so.2",
)
INIT = Need(
    "tini",
    "run --init",
    _same("tini"),
    programs=("docker-init", "tini-static", "tini"),
    basic=True,
)
CERTIFICATES = Need(
    "ca-certificates",
    "registries by HTTPS",
    _same("ca-certificates"),
    basic=True,
)
PS = Need(
    "ps",
    "docker top",
    {"apt": "procps", "dnf": "procps-ng", "apk": "procps-ng"},
    programs=("ps",),
)
JOURNALCTL = Need(
    "journalctl",
    "reading logs of the driver journald (a part of systemd)",
    programs=("journalctl",),
)
GIT = Need("git", "builds from repositories", _same("git"), programs=("git",), area="builds, hub")
SSH = Need(
    "ssh",
    "repositories by ssh, keys of build --ssh",
    {"apt": "openssh-client", "dnf": "openssh-clients", "apk": "openssh-client"},
    programs=("ssh",),
    area="builds, hub",
)
ETCD = Need(
    "etcd",
    "a manager's store (or an etcd that is elsewhere)",
    {"apt": "etcd-server", "dnf": "etcd", "apk": "etcd"},
    programs=("etcd",),
    area="swarm",
    basic=True,
)
ETCD_RESTORE = Need(
    "etcdctl",
    "restoring a backup of the store",
    {"apt": "etcd-client", "dnf": "etcd", "apk": "etcd-ctl"},
    programs=("etcdutl", "etcdctl"),
    area="swarm",
    basic=True,
)
SETPRIV = Need(
    "setpriv",
    "ends a manager's etcd with the engine",
    {"apt": "util-linux", "dnf": "util-linux", "apk": "setpriv"},
    programs=("setpriv",),
    area="swarm",
)
MMDEBSTRAP = Need(
    "mmdebstrap",
    "stand-in images where no registry is reached (scripts/offline-images)",
    {"apt": "mmdebstrap"},
    programs=("mmdebstrap",),
    area="stand-ins",
    basic=True,
)
BUSYBOX = Need(
    "busybox",
    "stand-ins for busybox and hello-world (scripts/offline-images)",
    {"apt": "busybox-static"},
    programs=("busybox",),
    area="stand-ins",
    basic=True,
)

NEEDS = (
    RUNTIME,
    NFTABLES,
    SECCOMP,
    INIT,
    CERTIFICATES,
    PS,
    JOURNALCTL,
    NFT,
    GIT,
    SSH,
    ETCD,
    ETCD_RESTORE,
    SETPRIV,
    MMDEBSTRAP,
    BUSYBOX,
)


def family(release: Path = OS_RELEASE) -> str:
    """apt, dnf or apk, by os-release(5); "" for others."""
    try:
        rows = release.read_text().splitlines()
    except OSError:
        return ""
    facts = {key: value.strip("\"'") for key, _, value in (row.partition("=") for row in rows)}
    words = [facts.get("ID", ""), *facts.get("ID_LIKE", "").split()]
    return next((_FAMILIES[word] for word in words if word in _FAMILIES), "")


def packages(needs: Iterable[Need], of_family: str) -> list[str]:
    """Each once, in order."""
    found = (need.packages.get(of_family, "") for need in needs)
    return list(dict.fromkeys(filter(None, found)))


def install_command(needs: Iterable[Need], of_family: str) -> list[str]:
    """Empty where nothing is known to install."""
    names = packages(needs, of_family)
    return [*_INSTALL[of_family], *names] if names else []
