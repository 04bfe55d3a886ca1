"""Requests that can't be right, whatever the state: refused before anything is made.

Pure; the texts are dockerd's. Limits (memory, CPUs, devices, capabilities) are checked by
`runtime.limits`, log options by `logs.drivers`, mounts by `mounts`.
"""

import re
from collections.abc import Iterator
from ipaddress import ip_address

from sampan.engine.containers.ports import port_requests
from sampan.errors import InvalidArgument
from sampan.lib.labels import HEALTH_ON_FAILURE, HEALTH_REACTIONS
from sampan.runtime import restart
from sampan.runtime.signals import parse_signal
from sampan.wire.containers import (
    ContainerConfig,
    CreateRequest,
    DeviceRequest,
    EndpointSettings,
    HealthConfig,
    HostSettings,
)

_MILLISECOND_NS = 1_000_000
_MAC = re.compile(r"[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}")
HOST_GATEWAY = "host-gateway"


class NoHostGateway(InvalidArgument):
    """There is no bridge at whose address a container would find the host."""

    def __init__(self) -> None:
        super().__init__(
            "unable to derive the IP value for host-gateway",
            hint="the daemon has no default bridge: say its address with --host-gateway-ip",
        )


class NoSuchDevices(InvalidArgument):
    """`--gpus` and its kin: dockerd's words, when no driver of devices is installed."""

    def __init__(self, asked: DeviceRequest) -> None:
        groups = " ".join(f"[{' '.join(group)}]" for group in asked.Capabilities or ())
        super().__init__(
            f'could not select device driver "{asked.Driver}" with capabilities: [{groups}]',
            hint="device requests are not supported; --device passes single devices on",
        )


def check_request(request: CreateRequest) -> None:
    """Raises InvalidArgument with the first thing found wrong."""
    if request == CreateRequest():
        raise InvalidArgument("config cannot be empty in order to create a container")
    check_config(request)
    check_host(request, request.HostConfig)
    endpoints = request.NetworkingConfig.EndpointsConfig or {}
    for settings in endpoints.values():
        check_endpoint(settings)


def check_config(config: ContainerConfig) -> None:
    if config.WorkingDir and not config.WorkingDir.startswith("/"):
        raise InvalidArgument(
            f"the working directory '{config.WorkingDir}' is invalid, "
            "it needs to be an absolute path"
        )
    for entry in config.Env or ():
        if not entry or entry.startswith("="):
            raise InvalidArgument(f"invalid environment variable: {entry}")
        if "\0" in entry:
            raise InvalidArgument("invalid environment variable: NUL byte")
    if config.StopSignal:
        parse_signal(config.StopSignal)
    if config.MacAddress:
        check_mac(config.MacAddress)
    check_health(config.Healthcheck)
    reaction = (config.Labels or {}).get(HEALTH_ON_FAILURE, "none")
    if reaction not in HEALTH_REACTIONS:
        known = ", ".join(HEALTH_REACTIONS)
        raise InvalidArgument(f"invalid label {HEALTH_ON_FAILURE}={reaction}: must be of {known}")


def check_health(health: HealthConfig | None) -> None:
    if health is None:
        return
    for name in ("Interval", "Timeout", "StartPeriod", "StartInterval"):
        value = getattr(health, name)
        if value != 0 and value < _MILLISECOND_NS:
            raise InvalidArgument(f"{name} in Healthcheck cannot be less than 1ms")
    if health.Retries < 0:
        raise InvalidArgument("Retries in Healthcheck cannot be negative")


def check_host(config: ContainerConfig, host: HostSettings) -> None:
    restart.check(host.RestartPolicy, auto_remove=host.AutoRemove)
    for entry in host.ExtraHosts or ():
        check_extra_host(entry)
    list(port_requests(config, host))
    if host.CgroupnsMode not in {"", "host", "private"}:
        raise InvalidArgument(f"invalid cgroup namespace mode: {host.CgroupnsMode}")
    if not -1000 <= host.OomScoreAdj <= 1000:
        raise InvalidArgument(
            f"Invalid value {host.OomScoreAdj}, range for oom score adj is [-1000, 1000]"
        )
    if host.ShmSize < 0:
        raise InvalidArgument("SHM size can not be less than 0")
    if host.StorageOpt:
        raise InvalidArgument(
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option"
        )
    if host.Isolation not in {"", "default"}:
        raise InvalidArgument(f'invalid isolation "{host.Isolation}" on linux')
    for asked in host.DeviceRequests or ():
        raise NoSuchDevices(asked)
    _check_modes(host)
    for reason in _network_conflicts(config, host):
        raise InvalidArgument(f"conflicting options: {reason}")


def check_extra_host(entry: str) -> tuple[str, str]:
    """`name:address` or `name=address`; the address may be "host-gateway"."""
    position = min((entry.find(mark) for mark in "=:" if mark in entry), default=-1)
    if position <= 0 or position == len(entry) - 1:
        raise InvalidArgument(f'bad format for add-host: "{entry}"')
    name, address = entry[:position], entry[position + 1 :].strip("[]")
    if address != HOST_GATEWAY:
        try:
            ip_address(address)
        except ValueError as error:
            raise InvalidArgument(f'invalid IP address in add-host: "{address}"') from error
    return name, address


def check_endpoint(settings: EndpointSettings) -> None:
    if settings.MacAddress:
        check_mac(settings.MacAddress)
    addressing = settings.IPAMConfig
    if addressing is None:
        return
    for version, text in ((4, addressing.IPv4Address), (6, addressing.IPv6Address)):
        if text:
            try:
                right = ip_address(text).version == version
            except ValueError:
                right = False
            if not right:
                raise InvalidArgument(f"invalid IPv{version} address: {text}")


def check_mac(text: str) -> None:
    if _MAC.fullmatch(text) is None:
        raise InvalidArgument(f"address {text}: invalid MAC address")


def container_of(mode: str) -> str | None:
    """The name in a mode `container:<name>`; None for other modes."""
    return mode.removeprefix("container:") if mode.startswith("container:") else None


def _check_modes(host: HostSettings) -> None:
    if container_of(host.NetworkMode) == "":
        raise InvalidArgument("Invalid network mode: invalid container format container:<name|id>")
    if host.UsernsMode not in {"", "host"}:
        raise InvalidArgument("--userns: invalid USER mode")
    if host.UTSMode not in {"", "host"}:
        raise InvalidArgument("invalid UTS mode")
    if host.PidMode not in {"", "host"} and not container_of(host.PidMode):
        raise InvalidArgument("invalid PID mode")
    ipc = {"", "none", "private", "shareable", "host"}
    if host.IpcMode not in ipc and not container_of(host.IpcMode):
        raise InvalidArgument("invalid IPC mode")


def _network_conflicts(config: ContainerConfig, host: HostSettings) -> Iterator[str]:
    shared = container_of(host.NetworkMode) is not None
    if config.Hostname and host.UTSMode == "host":
        yield "hostname and the UTS mode"
    if shared and config.Hostname:
        yield "hostname and the network mode"
    if (shared or host.NetworkMode == "host") and host.Links:
        kind = "container" if shared else "host"
        yield (
            f"{kind} type network can't be used with links. This would result in undefined behavior"
        )
    if not shared:
        return
    if host.Dns:
        yield "dns and the network mode"
    if host.ExtraHosts:
        yield "custom host-to-IP mapping and the network mode"
    if config.MacAddress:
        yield "mac-address and the network mode"
    if host.PortBindings or host.PublishAllPorts:
        yield "port publishing and the container type network mode"
    if config.ExposedPorts:
        yield "port exposing and the container type network mode"
