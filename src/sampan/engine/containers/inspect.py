"""`docker inspect` of a container."""

from collections.abc import Callable

import msgspec

from sampan.engine.containers import ports
from sampan.engine.containers.links import link_view
from sampan.engine.containers.paths import ContainerPaths
from sampan.engine.containers.record import Container, State
from sampan.engine.containers.registry import ContainerRegistry
from sampan.engine.containers.rootfs import RootFilesystems
from sampan.engine.containers.seccomp_choice import security_option
from sampan.engine.containers.validate import container_of
from sampan.engine.containers.views import health_view, mount_views, network_views
from sampan.errors import NotFound
from sampan.lib import gotime
from sampan.lib.ids import ContainerId
from sampan.lib.workers import Workers
from sampan.network.model import BRIDGE
from sampan.runtime import apparmor
from sampan.store.images import ImageStore
from sampan.wire.container_views import (
    ContainerInspect,
    GraphDriverView,
    NetworkSettingsView,
    StateView,
)
from sampan.wire.containers import EndpointSettings


class Inspector:
    """`exec_ids` gives the running execs of a container."""

    def __init__(
        self,
        *,
        registry: ContainerRegistry,
        rootfs: RootFilesystems,
        images: ImageStore,
        paths: ContainerPaths,
        workers: Workers,
        exec_ids: Callable[[ContainerId], list[str]],
        apparmor_supported: bool = False,
    ) -> None:
        self._registry = registry
        self._rootfs = rootfs
        self._images = images
        self._paths = paths
        self._workers = workers
        self._exec_ids = exec_ids
        self._apparmor = apparmor_supported

    async def inspect(self, text: str, *, size: bool = False) -> ContainerInspect:
        """Raises NoSuchContainer."""
        container = self._registry.get(text)
        view = self._view(container)
        graph = await self._workers.run(self._graph_driver, container)
        view = msgspec.structs.replace(view, GraphDriver=graph)
        if not size:
            return view
        own, whole = await self._workers.run(self.sizes, container)
        return msgspec.structs.replace(view, SizeRw=own, SizeRootFs=whole)

    def sizes(self, container: Container) -> tuple[int, int]:
        """Bytes that the container wrote, and those with its image. Blocks."""
        try:
            own = self._rootfs.size_bytes(container.id)
        except NotFound:  # removed meanwhile
            return 0, 0
        try:
            image = self._images.get(container.image_id).size_bytes
        except NotFound:  # the image was removed by force
            image = 0
        return own, own + image

    def _view(self, container: Container) -> ContainerInspect:
        path, *arguments = container.argv
        files_of = self._files_owner(container)
        has_files = bool(container.state.started_ns or container.sandbox or container.state.error)
        return ContainerInspect(
            Id=container.id,
            Created=gotime.format_ns(container.created_ns),
            Path=path,
            Args=arguments,
            State=state_view(container.state),
            Image=container.image_id,
            ResolvConfPath=str(self._paths.resolv_conf(files_of)) if has_files else "",
            HostnamePath=str(self._paths.hostname(files_of)) if has_files else "",
            HostsPath=str(self._paths.hosts(files_of)) if has_files else "",
            LogPath=container.log_path if has_files else "",
            Name=f"/{container.name}",
            RestartCount=container.restart_count,
            Driver=container.driver,
            Platform="linux",
            AppArmorProfile=apparmor.choose(
                security_option(container.host, "apparmor"),
                privileged=container.host.Privileged,
                supported=self._apparmor,
            ),
            ExecIDs=self._exec_ids(container.id) or None,
            HostConfig=msgspec.structs.replace(container.host, Links=self._links(container)),
            GraphDriver=GraphDriverView(Data=None, Name=container.driver),
            Mounts=mount_views(container.mounts),
            Config=container.config,
            NetworkSettings=network_settings(container),
        )

    def _files_owner(self, container: Container) -> ContainerId:
        """With `--network container:x` the files of x are used."""
        name = container_of(container.host.NetworkMode)
        owner = self._registry.find(name) if name else None
        return (owner or container).id

    def _links(self, container: Container) -> list[str] | None:
        found = []
        for link in container.links:
            target = self._registry.find(link.container_id)
            if target is not None:
                found.append(link_view(container, target, link.alias))
        return found or None

    def _graph_driver(self, container: Container) -> GraphDriverView:
        snapshots = self._rootfs.snapshots
        try:
            upper = snapshots.upper(container.id)
            lowers = snapshots.lowers(container.id)
        except NotFound:
            return GraphDriverView(Data=None, Name=container.driver)
        return GraphDriverView(
            Name=container.driver,
            Data={
                "LowerDir": ":".join(str(lower) for lower in lowers),
                "MergedDir": str(self._paths.rootfs(container.id)),
                "UpperDir": str(upper),
                "WorkDir": str(upper.parent / "work"),
            },
        )


def state_view(state: State) -> StateView:
    return StateView(
        Status=state.status,
        Running=state.running,
        Paused=state.paused,
        Restarting=state.restarting,
        OOMKilled=state.oom_killed,
        Dead=state.dead,
        Pid=state.pid,
        ExitCode=state.exit_code,
        Error=state.error,
        StartedAt=gotime.format_ns(state.started_ns),
        FinishedAt=gotime.format_ns(state.finished_ns),
        Health=health_view(state.health),
    )


def network_settings(container: Container) -> NetworkSettingsView:
    networks = network_views(container)
    bridge = networks.get(BRIDGE, EndpointSettings())
    connected = any(one.endpoint and one.endpoint.interface for one in container.networks.values())
    declared = ports.exposed(container.config, container.host) if connected else []
    return NetworkSettingsView(
        SandboxID=container.id if container.sandbox else "",
        SandboxKey=container.sandbox,
        Ports=ports.bindings_view(container.ports, declared),
        EndpointID=bridge.EndpointID,
        Gateway=bridge.Gateway,
        GlobalIPv6Address=bridge.GlobalIPv6Address,
        GlobalIPv6PrefixLen=bridge.GlobalIPv6PrefixLen,
        IPAddress=bridge.IPAddress,
        IPPrefixLen=bridge.IPPrefixLen,
        IPv6Gateway=bridge.IPv6Gateway,
        MacAddress=bridge.MacAddress,
        Networks=networks,
    )
