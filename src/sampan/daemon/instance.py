"""Everything that one daemon instance calls its own, derived from its configuration.

Two daemons on one machine never meet: names in shared spaces (links, nftables tables, cgroups)
carry a short hash of the data root, except for the default instance, which has the plain names.

    <data-root>/  sampan.db  content/  snapshots/  containers/<id>/  volumes/  tmp/  sampan.lock
    <exec-root>/  tasks/<id>/  rootfs/<id>  netns/<id>  zygote.sock
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sampan.daemon.config import DEFAULT_DATA_ROOT, Config

HASH_DIGITS = 6  # a link name has 15 bytes; 16 million instances are enough


@dataclass(frozen=True, slots=True)
class Instance:
    """`bridge` is "" when the default bridge network is switched off."""

    data_root: Path
    exec_root: Path
    bridge: str
    table: str
    veth_prefix: str
    overlay_prefix: str
    cgroup_parent: str

    @property
    def database(self) -> Path:
        return self.data_root / "sampan.db"

    @property
    def content(self) -> Path:
        return self.data_root / "content"

    @property
    def snapshots(self) -> Path:
        return self.data_root / "snapshots"

    @property
    def containers(self) -> Path:
        return self.data_root / "containers"

    @property
    def volumes(self) -> Path:
        return self.data_root / "volumes"

    @property
    def temporary(self) -> Path:
        return self.data_root / "tmp"

    @property
    def lock(self) -> Path:
        return self.data_root / "sampan.lock"

    @property
    def identity(self) -> Path:
        return self.data_root / "engine-id"

    @property
    def topology(self) -> Path:
        """What the swarm said last of the node's networks."""
        return self.data_root / "swarm" / "networks.json"

    @property
    def tasks(self) -> Path:
        return self.exec_root / "tasks"

    @property
    def rootfs(self) -> Path:
        return self.exec_root / "rootfs"

    @property
    def netns(self) -> Path:
        return self.exec_root / "netns"


def derive(config: Config) -> Instance:
    data_root = config.data_root.absolute()
    if data_root.exists():
        data_root = data_root.resolve()
    default = data_root == DEFAULT_DATA_ROOT
    tag = "" if default else hashlib.sha256(str(data_root).encode()).hexdigest()[:HASH_DIGITS]
    bridge = config.bridge or (f"sampan{tag}" if tag else "sampan0")
    return Instance(
        data_root=data_root,
        exec_root=config.exec_root.absolute(),
        bridge="" if bridge == "none" else bridge,
        table=f"sampan_{tag}" if tag else "sampan",
        veth_prefix=f"sv{tag}" if tag else "veth",
        overlay_prefix=f"o{tag}" if tag else "ov",
        cgroup_parent=f"/sampan-{tag}" if tag else "/sampan",
    )
