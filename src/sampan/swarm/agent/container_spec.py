"""From a task to the request for its container (pure).

Everything that a service can ask for has its place here. Networks come from the task's
attachments, with the addresses that the allocator gave; ports only those of host mode, since the
routing mesh doesn't go through the container's own. A container of a task never restarts by
itself: the swarm makes a new task instead.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

import msgspec

from sampan.errors import InvalidArgument, Unsupported
from sampan.swarm.agent.templates import Expander
from sampan.swarm.model import Attachment, Node, Task
from sampan.wire.containers import (
    CreateRequest,
    DeviceMapping,
    EndpointAddressing,
    EndpointSettings,
    HostSettings,
    LogSettings,
    Mount,
    MountBindOptions,
    NetworkingRequest,
    PortBinding,
)
from sampan.wire.services import (
    DriverConfig,
    PortConfig,
    PrivilegeSettings,
    ResourceRequirements,
    ServiceContainer,
)

LABEL = "com.docker.swarm"
PREDEFINED = frozenset({"bridge", "host", "none", "default"})
GRACE_NS = 10_000_000_000


class NoContainer(Unsupported):
    def __init__(self) -> None:
        super().__init__("dockerexec: unsupported task runtime")


class ImageRequired(InvalidArgument):
    def __init__(self) -> None:
        super().__init__("dockerexec: image required")


@dataclass(frozen=True, slots=True)
class PlacedFile:
    """A secret or config that lies on the host and appears at `target`."""

    host_path: str
    target: str


def container_of(task: Task) -> ServiceContainer:
    """Raises NoContainer, ImageRequired."""
    container = task.spec.ContainerSpec
    if container is None or task.spec.PluginSpec is not None:
        raise NoContainer
    if not container.Image:
        raise ImageRequired
    return container


def create_request(
    task: Task,
    node: Node,
    *,
    log_driver: DriverConfig | None = None,
    files: Sequence[PlacedFile] = (),
) -> CreateRequest:
    """`log_driver` is the swarm's. Raises InvalidArgument for what can't be, BadTemplate."""
    container, expander = container_of(task), Expander(task, node)
    ports = host_ports(task)
    return CreateRequest(
        Image=container.Image,
        Hostname=expander.expand(container.Hostname, "hostname"),
        User=container.User,
        Env=environment(task, expander),
        WorkingDir=container.Dir,
        Entrypoint=container.Command or None,
        Cmd=container.Args or None,
        Tty=container.TTY,
        OpenStdin=container.OpenStdin,
        StopSignal=container.StopSignal,
        Healthcheck=container.Healthcheck,
        Labels=labels(task, node),
        ExposedPorts={_port_key(port): {} for port in ports} or None,
        HostConfig=_host(task, expander, ports, log_driver, files),
        NetworkingConfig=NetworkingRequest(EndpointsConfig=_endpoints(task)),
    )


def labels(task: Task, node: Node) -> dict[str, str]:
    """Those of the service's container, and the six that tell where it belongs."""
    asked = (task.spec.ContainerSpec.Labels if task.spec.ContainerSpec else None) or {}
    return {
        **asked,
        f"{LABEL}.node.id": node.id,
        f"{LABEL}.service.id": task.service_id,
        f"{LABEL}.service.name": task.service_name,
        f"{LABEL}.task": "",
        f"{LABEL}.task.id": task.id,
        f"{LABEL}.task.name": task.name,
    }


def environment(task: Task, expander: Expander) -> list[str] | None:
    asked = container_of(task).Env
    return asked and [expander.expand(entry, "env") for entry in asked]


def host_ports(task: Task) -> tuple[PortConfig, ...]:
    """Ports that are published on the node itself."""
    ports = task.endpoint.ports if task.endpoint else ()
    return tuple(port for port in ports if port.PublishMode == "host")


def grace_s(task: Task) -> int:
    """Between the stop signal and the kill."""
    asked = task.spec.ContainerSpec.StopGracePeriod if task.spec.ContainerSpec else None
    return (GRACE_NS if asked is None else asked) // 1_000_000_000


# --- host side ------------------------------------------------------------------------------------


def _host(
    task: Task,
    expander: Expander,
    ports: Sequence[PortConfig],
    log_driver: DriverConfig | None,
    files: Sequence[PlacedFile],
) -> HostSettings:
    container = container_of(task)
    resources = task.spec.Resources or ResourceRequirements()
    limits, reserved, dns = resources.Limits, resources.Reservations, container.DNSConfig
    driver = task.spec.LogDriver or log_driver or DriverConfig()
    bindings = {
        _port_key(port): [PortBinding(HostPort=str(port.PublishedPort or ""))] for port in ports
    }
    return HostSettings(
        NetworkMode=_network_mode(task.networks),
        PortBindings=bindings or None,
        Mounts=[*_mounts(container, expander), *map(_file_mount, files)] or None,
        NanoCpus=limits.NanoCPUs if limits else 0,
        Memory=limits.MemoryBytes if limits else 0,
        PidsLimit=(limits.Pids or None) if limits else None,
        MemoryReservation=reserved.MemoryBytes if reserved else 0,
        GroupAdd=container.Groups,
        ReadonlyRootfs=container.ReadOnly,
        Isolation=container.Isolation,
        Init=container.Init,
        Sysctls=container.Sysctls,
        CapAdd=container.CapabilityAdd,
        CapDrop=container.CapabilityDrop,
        Ulimits=container.Ulimits,
        OomScoreAdj=container.OomScoreAdj,
        Privileged=container.Privileged,
        Devices=[device(text) for text in container.Devices or ()] or None,
        SecurityOpt=list(_security(container.Privileges)) or None,
        ExtraHosts=list(_extra_hosts(container.Hosts or ())) or None,
        Dns=dns.Nameservers if dns else None,
        DnsSearch=dns.Search if dns else None,
        DnsOptions=dns.Options if dns else None,
        LogConfig=LogSettings(Type=driver.Name, Config=driver.Options),
    )


def device(text: str) -> DeviceMapping:
    """/dev/x[:/dev/y[:rwm]], as `docker run --device` takes it."""
    host, *rest = text.split(":")
    inside, permissions = host, "rwm"
    if len(rest) == 1 and not rest[0].startswith("/"):
        permissions = rest[0]
    elif rest:
        inside, permissions = rest[0], rest[1] if len(rest) > 1 else permissions
    if len(rest) > 2 or not host.startswith("/"):
        raise InvalidArgument(f"invalid device specification: {text}")
    return DeviceMapping(PathOnHost=host, PathInContainer=inside, CgroupPermissions=permissions)


def _mounts(container: ServiceContainer, expander: Expander) -> Iterator[Mount]:
    for mount in container.Mounts or ():
        if mount.Type in {"npipe", "cluster"}:
            raise Unsupported(f"mounts of type {mount.Type} aren't supported")
        volume = mount.VolumeOptions
        if volume is not None and volume.Labels:
            expanded = {
                key: expander.expand(value, "mounts") for key, value in volume.Labels.items()
            }
            volume = msgspec.structs.replace(volume, Labels=expanded)
        yield msgspec.structs.replace(
            mount,
            Type=mount.Type or "volume",
            Source=expander.expand(mount.Source, "mounts"),
            Target=expander.expand(mount.Target, "mounts"),
            VolumeOptions=volume,
        )


def _file_mount(file: PlacedFile) -> Mount:
    return Mount(
        Type="bind",
        Source=file.host_path,
        Target=file.target,
        ReadOnly=True,
        BindOptions=MountBindOptions(Propagation="rprivate"),
    )


def _security(asked: PrivilegeSettings | None) -> Iterator[str]:
    if asked is None:
        return
    if asked.NoNewPrivileges:
        yield "no-new-privileges=true"
    seccomp, apparmor, selinux = asked.Seccomp, asked.AppArmor, asked.SELinuxContext
    if seccomp and seccomp.get("Mode") == "unconfined":
        yield "seccomp=unconfined"
    if seccomp and seccomp.get("Mode") == "custom":
        yield f"seccomp={_decoded(seccomp.get('Profile', ''))}"
    if apparmor and apparmor.get("Mode") == "disabled":
        yield "apparmor=unconfined"
    if selinux and selinux.get("Disable"):
        yield "label=disable"
        return
    for key in ("User", "Role", "Type", "Level") if selinux else ():
        if selinux and selinux.get(key):
            yield f"label={key.lower()}:{selinux[key]}"


def _decoded(profile: str) -> str:
    """The API has it as base64, being bytes."""
    try:
        return msgspec.convert(profile, bytes, strict=False).decode()
    except (msgspec.ValidationError, UnicodeDecodeError) as error:
        raise InvalidArgument("the seccomp profile can't be read") from error


def _extra_hosts(entries: Sequence[str]) -> Iterator[str]:
    """`IP name [alias...]`, as in /etc/hosts, to `name:IP`."""
    for entry in entries:
        address, *names = entry.split()
        for name in names:
            yield f"{name}:{address}"


# --- networks -------------------------------------------------------------------------------------


def _network_mode(networks: Sequence[Attachment]) -> str:
    """The first network; the default bridge without any."""
    return networks[0].network_id if networks else "default"


def _endpoints(task: Task) -> dict[str, EndpointSettings] | None:
    """The node's own networks, by their names, only where they aren't the mode already."""
    return {
        place.network_id: _endpoint(place)
        for number, place in enumerate(task.networks)
        if number or place.network_id not in PREDEFINED
    } or None


def _endpoint(place: Attachment) -> EndpointSettings:
    bare = [text.partition("/")[0] for text in place.addresses]
    four = next((text for text in bare if ip_address(text).version == 4), "")
    six = next((text for text in bare if ip_address(text).version == 6), "")
    return EndpointSettings(
        NetworkID=place.network_id,
        IPAMConfig=EndpointAddressing(IPv4Address=four, IPv6Address=six) if bare else None,
        Aliases=list(place.aliases) or None,
        DriverOpts=place.driver_opts or None,
        MacAddress=mac_of(four) if four else "",
    )


def mac_of(address: str) -> str:
    """Derived from the address, as every node derives it: see networkstate.Peer."""
    return "02:42:" + ":".join(f"{part:02x}" for part in ip_address(address).packed)


def _port_key(port: PortConfig) -> str:
    return f"{port.TargetPort}/{port.Protocol or 'tcp'}"
