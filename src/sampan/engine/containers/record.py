"""What the engine remembers of one container: facts, frozen, and how they lie on the disk.

A record changes only by pure functions `Container -> Container` that `ContainerRegistry.update`
applies; what lives with the process (the task, who waits, who is attached) is in `live.py`.

`config` and `host` are what the client asked for, completed with the image's config and the
engine's defaults, because inspect must return them. Everything derived has its own field. The
status is derived from facts (`runtime.state` has the diagram), so it can't disagree with them.

The document is the JSON of this record; `version` names its layout.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from sampan.lib import gotime
from sampan.lib.ids import ContainerId
from sampan.network.model import Endpoint, PublishedPort
from sampan.oci.digest import ChainId, Digest
from sampan.runtime.state import derive
from sampan.wire.containers import ContainerConfig, EndpointSettings, HostSettings

VERSION = 1

HEALTH_NONE = "none"
HEALTH_STARTING = "starting"
HEALTH_HEALTHY = "healthy"
HEALTH_UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class HealthResult:
    """One probe; `exit_code` -1 means it timed out."""

    started_ns: int
    ended_ns: int
    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class Health:
    """What the probes of this run found; `log` has the last five."""

    status: str = HEALTH_STARTING
    failing_streak: int = 0
    log: tuple[HealthResult, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """Facts of the present run, or of the last one. 0 in a time means never."""

    pid: int = 0
    started_ns: int = 0
    finished_ns: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    paused: bool = False
    restarting: bool = False
    removing: bool = False
    dead: bool = False
    manually_stopped: bool = False
    health: Health | None = None

    @property
    def running(self) -> bool:
        """Also between two runs of a restart policy: clients may stop it, not remove it."""
        return self.pid > 0 or self.restarting

    @property
    def status(self) -> str:
        """The word of the Engine API."""
        return derive(
            pid=self.pid,
            started_ns=self.started_ns,
            paused=self.paused,
            restarting=self.restarting,
            removing=self.removing,
            dead=self.dead,
        ).value


@dataclass(frozen=True, slots=True)
class MountPoint:
    """One resolved mount of `-v`, `--mount`, `--volumes-from` or an image's VOLUME.

    `source` is a host path (empty for tmpfs), `name` a volume's name. `mode` is what inspect
    shows. `copy_up`: a volume that is empty gets the image's content. `create_source`: `-v` makes
    a missing host directory. `own`: made for this container, so `rm -v` may remove it.
    `options` are further mount options (tmpfs size and mode). `read_only_below`: a read-only bind
    is so for the mounts below its source too. `image_id` and `chain_id`: of an image's files.
    """

    type: str
    destination: str
    source: str = ""
    name: str = ""
    driver: str = ""
    mode: str = ""
    rw: bool = True
    propagation: str = ""
    subpath: str = ""
    copy_up: bool = False
    create_source: bool = False
    own: bool = False
    recursive: bool = True
    read_only_below: bool = True
    options: tuple[str, ...] = ()
    image_id: str = ""
    chain_id: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A network that the container belongs to: what was asked, and what it has while it runs."""

    network_id: str
    asked: EndpointSettings
    endpoint: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """`--link`: the container linked to, and the name under which it's known here."""

    container_id: ContainerId
    alias: str


@dataclass(frozen=True, slots=True)
class Container:
    id: ContainerId
    name: str  # without the leading slash of the API
    created_ns: int
    image_id: Digest
    chain_id: ChainId | None
    config: ContainerConfig
    host: HostSettings
    argv: tuple[str, ...]
    state: State = State()
    mounts: tuple[MountPoint, ...] = ()
    networks: Mapping[str, Attachment] = field(default_factory=dict)
    ports: tuple[PublishedPort, ...] = ()
    links: tuple[Link, ...] = ()
    sandbox: str = ""
    log_path: str = ""
    driver: str = "overlay2"
    restart_count: int = 0
    version: int = VERSION

    @property
    def image_name(self) -> str:
        """What the user called the image."""
        return self.config.Image

    @property
    def labels(self) -> Mapping[str, str]:
        return self.config.Labels or {}

    @property
    def auto_remove(self) -> bool:
        return self.host.AutoRemove


def event_attributes(container: Container, **extra: str) -> dict[str, str]:
    """Every event of a container carries its image, its name and all labels."""
    return {**container.labels, "image": container.image_name, "name": container.name, **extra}


def encode(container: Container) -> bytes:
    return msgspec.json.encode(container, enc_hook=_to_text)


def decode(body: bytes) -> Container:
    return msgspec.json.decode(body, type=Container, dec_hook=_from_text)


def _to_text(value: Any) -> str:
    return str(value)


def _from_text(kind: type, value: Any) -> Any:
    if issubclass(kind, Path | ipaddress.IPv4Address | ipaddress.IPv6Address):
        return kind(value)
    raise NotImplementedError(f"{kind} in a container document")


# --- changes of the state: each is one edge of the diagram above ----------------------------------


def started(
    container: Container,
    *,
    pid: int,
    now_ns: int,
    config: ContainerConfig,
    networks: Mapping[str, Attachment],
    ports: tuple[PublishedPort, ...],
    sandbox: str,
    health: Health | None,
    restart_count: int,
    by_user: bool,
) -> Container:
    """`config` has the hostname that a shared network namespace brings.

    A stop that was asked for while a policy started it again stays asked for.
    """
    before = container.state
    state = State(
        pid=pid,
        started_ns=now_ns,
        finished_ns=before.finished_ns,
        health=health,
        manually_stopped=before.manually_stopped and not by_user,
    )
    return replace(
        container,
        state=state,
        config=config,
        networks=networks,
        ports=ports,
        sandbox=sandbox,
        restart_count=restart_count,
    )


def start_failed(container: Container, *, error: str, exit_code: int) -> Container:
    """The status stays what it was (created, exited); a policy's back-off is over."""
    state = replace(
        container.state,
        pid=0,
        paused=False,
        restarting=False,
        error=error,
        exit_code=exit_code,
        health=None,
    )
    return _disconnected(replace(container, state=state))


def exited(
    container: Container, *, exit_code: int, now_ns: int, oom_killed: bool, restarting: bool
) -> Container:
    """`restarting`: the restart policy is going to start it again."""
    before = container.state
    state = replace(
        before,
        pid=0,
        paused=False,
        restarting=restarting,
        exit_code=exit_code,
        oom_killed=oom_killed,
        finished_ns=now_ns,
        health=None
        if before.health is None
        else replace(before.health, status=_health_after_exit(before.health)),
    )
    count = container.restart_count + 1 if restarting else container.restart_count
    return _disconnected(replace(container, state=state, restart_count=count))


def _health_after_exit(health: Health) -> str:
    return HEALTH_UNHEALTHY if health.status != HEALTH_STARTING else HEALTH_STARTING


def restart_given_up(container: Container) -> Container:
    return replace(container, state=replace(container.state, restarting=False))


def stop_asked(container: Container) -> Container:
    """A user wants it down: no policy starts it again until the daemon restarts."""
    return replace(container, state=replace(container.state, manually_stopped=True))


def start_asked(container: Container) -> Container:
    """A user wants it up: the count of restarts begins anew."""
    state = replace(container.state, manually_stopped=False, restarting=False)
    return replace(container, state=state, restart_count=0)


def paused(container: Container, *, value: bool) -> Container:
    return replace(container, state=replace(container.state, paused=value))


def removing(container: Container) -> Container:
    return replace(container, state=replace(container.state, removing=True))


def removal_failed(container: Container) -> Container:
    return replace(container, state=replace(container.state, removing=False, dead=True))


def renamed(container: Container, name: str) -> Container:
    return replace(container, name=name)


def with_host(container: Container, host: HostSettings) -> Container:
    return replace(container, host=host)


def with_links(container: Container, links: tuple[Link, ...]) -> Container:
    return replace(container, links=links)


def with_network(container: Container, name: str, attachment: Attachment) -> Container:
    return replace(container, networks={**container.networks, name: attachment})


def with_endpoints(container: Container, endpoints: Mapping[str, Endpoint]) -> Container:
    """`endpoints` by network id."""
    networks = {
        name: replace(one, endpoint=endpoints.get(one.network_id, one.endpoint))
        for name, one in container.networks.items()
    }
    return replace(container, networks=networks)


def without_network(container: Container, name: str) -> Container:
    rest = {key: value for key, value in container.networks.items() if key != name}
    return replace(container, networks=rest)


def with_health(container: Container, health: Health | None) -> Container:
    return replace(container, state=replace(container.state, health=health))


def _disconnected(container: Container) -> Container:
    networks = {
        name: replace(attachment, endpoint=None) for name, attachment in container.networks.items()
    }
    return replace(container, networks=networks, ports=(), sandbox="")


def execution_seconds(container: Container, *, now_ns: int) -> int:
    """Whole seconds of the last run, for the `execDuration` of `die`."""
    return max(0, now_ns - container.state.started_ns) // gotime.NANOS
