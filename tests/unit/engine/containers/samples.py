"""Containers made of nothing but what a test says."""

from sampan.engine.containers.record import Container, State
from sampan.lib.ids import ContainerId, random_id
from sampan.oci.digest import Digest
from sampan.wire.containers import ContainerConfig, HostSettings


def container(
    name: str = "box", *, state: State | None = None, host: HostSettings | None = None, **config
) -> Container:
    identifier = ContainerId(random_id())
    settings = {"Image": "busybox", "Hostname": identifier[:12], "Cmd": ["sleep", "60"], **config}
    return Container(
        id=identifier,
        name=name,
        created_ns=1_700_000_000_000_000_000,
        image_id=Digest("sha256:" + "ab" * 32),
        chain_id=None,
        config=ContainerConfig(**settings),
        host=host or HostSettings(NetworkMode="bridge"),
        argv=("sleep", "60"),
        state=state or State(),
    )
