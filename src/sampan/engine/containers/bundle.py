"""A run's files: the container's /etc files and the OCI runtime's config.json.

What the pure spec builder must be told is found out here: the user in the container's own passwd,
namespaces of other containers, links, devices, the seccomp profile. The bundle lies in the task's
folder and goes with it.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from sampan.engine.containers import environment, etc_files, links, spec_mounts
from sampan.engine.containers.etc_files import EtcFacts, EtcFiles
from sampan.engine.containers.health_rules import probe_of
from sampan.engine.containers.namespaces import Namespaces, Resolved
from sampan.engine.containers.networking import Networking
from sampan.engine.containers.paths import ContainerPaths
from sampan.engine.containers.ports import exposed
from sampan.engine.containers.record import Attachment, Container, Health
from sampan.engine.containers.registry import ContainerRegistry
from sampan.engine.containers.run_resources import Acquired
from sampan.engine.containers.seccomp_choice import SeccompChoice, security_option
from sampan.engine.containers.spec_mounts import EtcPaths
from sampan.engine.containers.validate import container_of
from sampan.errors import Conflict
from sampan.lib.ids import ContainerId
from sampan.lib.workers import Workers
from sampan.linux.beneath import make_dirs_beneath, resolve_beneath
from sampan.network.model import BRIDGE
from sampan.runtime import apparmor, devices
from sampan.runtime.facts import HostFacts
from sampan.runtime.placeholders import lay
from sampan.runtime.spec_builder import SpecInput, SpecMount, build_spec, given_capabilities
from sampan.runtime.users import resolve_user
from sampan.wire.containers import ContainerConfig, Ulimit


class LinkTargetNotRunning(Conflict):
    def __init__(self, target: str, parent: str, alias: str) -> None:
        super().__init__(f"Cannot link to a non running container: /{target} AS /{parent}/{alias}")


@dataclass(frozen=True, slots=True)
class Run:
    """What a start changes in the record besides its networks.

    Some sources of mounts are `held`: to be let go of when the process is there.
    """

    config: ContainerConfig
    health: Health | None
    held: ExitStack


@dataclass(frozen=True, slots=True)
class LinkFacts:
    hosts: tuple[tuple[str, str], ...] = ()  # (names, address)
    env: tuple[str, ...] = ()


class Bundles:
    """`init_path` is the host's tini; `default_ulimits` the daemon's."""

    def __init__(
        self,
        *,
        registry: ContainerRegistry,
        networking: Networking,
        files: EtcFiles,
        paths: ContainerPaths,
        facts: HostFacts,
        seccomp: SeccompChoice,
        workers: Workers,
        init_path: str = "",
        default_ulimits: tuple[Ulimit, ...] = (),
    ) -> None:
        self._registry = registry
        self._networking = networking
        self._files = files
        self._paths = paths
        self._facts = facts
        self._seccomp = seccomp
        self._workers = workers
        self._init_path = init_path
        self._default_ulimits = default_ulimits
        self._namespaces = Namespaces(registry=registry, paths=paths)

    async def write(self, container: Container, acquired: Acquired) -> Run:
        """Raises UnknownUser, NoSuchDevice, Conflict (a container it needs doesn't run)."""
        config = self._config(container)
        container = replace(container, config=config, networks=acquired.connected.networks)
        link_facts = self._link_facts(container)
        namespaces = self._namespaces.resolve(container, acquired.connected.netns)
        with ExitStack() as held:
            await self._workers.run(self._write, container, acquired, link_facts, namespaces, held)
            probe = probe_of(config.Healthcheck, config.Shell)
            return Run(config, Health() if probe else None, held.pop_all())

    def _config(self, container: Container) -> ContainerConfig:
        """A shared network namespace brings its owner's hostname."""
        name = container_of(container.host.NetworkMode)
        target = self._registry.find(name) if name else None
        if target is None:
            return container.config
        return msgspec.structs.replace(
            container.config,
            Hostname=target.config.Hostname,
            Domainname=target.config.Domainname,
        )

    # --- links ------------------------------------------------------------------------------------

    def _link_facts(self, container: Container) -> LinkFacts:
        if container.host.NetworkMode != BRIDGE:
            return LinkFacts()
        hosts, env = [], []
        for link in container.links:
            target = self._registry.get(link.container_id)
            address = _bridge_address(target.networks)
            if not target.state.pid or not address:
                raise LinkTargetNotRunning(target.name, container.name, link.alias)
            hosts.append((links.hosts_entry(target, link.alias), address))
            env += links.environment(
                container,
                target,
                link.alias,
                address=address,
                ports=exposed(target.config, target.host),
            )
        return LinkFacts(tuple(hosts), tuple(env))

    async def refresh_hosts(self, container: Container) -> None:
        """Write /etc/hosts of a running container again: its networks or links have changed."""
        try:
            link_facts = self._link_facts(container)
        except Conflict:  # one of its links is down: the old line may stay
            return
        facts = self._etc_facts(container, link_facts)
        await self._workers.run(self._files.write_hosts, container, facts)

    async def refresh_parents(self, started: Container) -> None:
        """Containers linked to `started` learn its new address."""
        for parent in self._registry.list():
            if parent.state.pid and any(one.container_id == started.id for one in parent.links):
                await self.refresh_hosts(parent)

    def _etc_facts(self, container: Container, link_facts: LinkFacts) -> EtcFacts:
        endpoints = [one.endpoint for one in container.networks.values() if one.endpoint]
        return EtcFacts(
            addresses=etc_files.addresses(container),
            links=link_facts.hosts,
            embedded=etc_files.embedded(container),
            host_gateway=self._networking.host_gateway()
            or next((endpoint.gateway for endpoint in endpoints if endpoint.gateway), ""),
        )

    # --- files (in a worker) ----------------------------------------------------------------------

    def _write(
        self,
        container: Container,
        acquired: Acquired,
        link_facts: LinkFacts,
        namespaces: Resolved,
        held: ExitStack,
    ) -> None:
        if container_of(container.host.NetworkMode) is None:
            self._files.write(container, self._etc_facts(container, link_facts))
        spec_mounts.make_sources(container.mounts)
        lay(acquired.rootfs)
        _ensure_directory(acquired.rootfs, container.config.WorkingDir or "/")
        pins = self._paths.rootfs_mounts
        mounts = spec_mounts.build(container, self._etc_paths(container), pins, held)
        spec = self._spec(container, acquired.rootfs, link_facts, namespaces, mounts)
        bundle = self._paths.bundle(container.id)
        bundle.mkdir(parents=True, exist_ok=True, mode=0o700)
        (bundle / "config.json").write_bytes(msgspec.json.encode(spec))

    def _spec(
        self,
        container: Container,
        rootfs: Path,
        link_facts: LinkFacts,
        namespaces: Resolved,
        mounts: tuple[SpecMount, ...],
    ) -> dict[str, Any]:
        config, host = container.config, container.host
        user = resolve_user(rootfs, config.User, host.GroupAdd or [])
        rows, columns = host.ConsoleSize or (0, 0)
        profile, annotations = self._seccomp.of(host, given_capabilities(host, self._facts))
        return build_spec(
            SpecInput(
                host=host,
                args=container.argv,
                env=environment.build(config, links=link_facts.env, home=user.home),
                rootfs=str(rootfs),
                facts=self._facts,
                cgroup_path=self._paths.cgroup(container.id, host.CgroupParent),
                cwd=config.WorkingDir or "/",
                uid=user.uid,
                gid=user.gid,
                additional_gids=user.additional_gids,
                hostname=config.Hostname,
                domainname=config.Domainname,
                mounts=mounts,
                namespaces=namespaces.spec,
                terminal=config.Tty,
                console_size=(rows, columns),
                shm_path=namespaces.shm_path,
                init_path=self._init_path if host.Init else "",
                apparmor=self._apparmor(container),
                seccomp=profile,
                devices=self._devices(container),
                block_io=devices.block_io_limits(host),
                default_ulimits=self._default_ulimits,
                annotations=annotations,
            )
        )

    def _apparmor(self, container: Container) -> str:
        """The usual profile only if somebody has loaded it; one that was asked for in any case."""
        host = container.host
        asked = security_option(host, "apparmor")
        profile = apparmor.choose(asked, privileged=host.Privileged, supported=self._facts.apparmor)
        usual = not asked and profile == apparmor.DEFAULT_PROFILE
        return "" if usual and not apparmor.is_loaded(profile) else profile

    def _devices(self, container: Container) -> tuple[devices.Device, ...]:
        host = container.host
        found = devices.host_devices() if host.Privileged else ()
        return (*found, *devices.mapped_devices(host.Devices or ()))

    def _etc_paths(self, container: Container) -> EtcPaths:
        """Those of the container whose network it shares, or its own."""
        name = container_of(container.host.NetworkMode)
        owner = ContainerId(name) if name else container.id
        return EtcPaths(
            hosts=self._paths.hosts(owner),
            hostname=self._paths.hostname(owner),
            resolv_conf=self._paths.resolv_conf(owner),
        )


def _bridge_address(networks: Mapping[str, Attachment]) -> str:
    attachment = networks.get(BRIDGE)
    return attachment.endpoint.ipv4 if attachment and attachment.endpoint else ""


def _ensure_directory(rootfs: Path, path: str) -> None:
    """The working directory is made if the image doesn't have it."""
    if not resolve_beneath(rootfs, path).exists():
        make_dirs_beneath(rootfs, path)
