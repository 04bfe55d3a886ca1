"""What a container runs: the request completed by the image's config and the engine's defaults.

Pure. The rules are Docker's: what the request says wins, member by member; environment and labels
are united key by key; a request that sets an entrypoint doesn't get the image's command; an
entrypoint of one empty string means none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from sampan.errors import InvalidArgument
from sampan.oci.digest import Digest
from sampan.oci.image_config import HealthSpec, ImageRunConfig
from sampan.wire.containers import (
    ContainerConfig,
    CreateRequest,
    HealthConfig,
    HostSettings,
    LogSettings,
    RestartSettings,
)

SHM_SIZE_BYTES = 64 << 20
BRIDGE = "bridge"
NO_IMAGE = Digest("")  # containers made without an image


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the daemon's configuration and the host decide."""

    runtime: str = "crun"
    log_driver: str = "json-file"
    log_options: Mapping[str, str] | None = None
    cgroupns_mode: str = "host"
    masked_paths: tuple[str, ...] = ()
    readonly_paths: tuple[str, ...] = ()


def merge_config(
    request: CreateRequest, image: ImageRunConfig, *, hostname: str
) -> ContainerConfig:
    """The `Config` of the container. Raises InvalidArgument when there's nothing to run."""
    own = {name: getattr(request, name) for name in ContainerConfig.__struct_fields__}
    entrypoint, command = _merge_argv(request, image)
    return ContainerConfig(
        **{
            **own,
            "Hostname": request.Hostname or hostname,
            "User": request.User or image.User,
            "Env": _merge_env(request.Env, image.Env),
            "Entrypoint": entrypoint,
            "Cmd": command,
            "ExposedPorts": _unite(image.ExposedPorts, request.ExposedPorts),
            "Volumes": _unite(image.Volumes, request.Volumes),
            "Labels": {**(image.Labels or {}), **(request.Labels or {})},
            "WorkingDir": request.WorkingDir or image.WorkingDir,
            "StopSignal": request.StopSignal or image.StopSignal,
            "Shell": request.Shell or image.Shell,
            "Healthcheck": _merge_health(request.Healthcheck, image.Healthcheck),
            "OnBuild": None,
        }
    )


def argv(config: ContainerConfig) -> tuple[str, ...]:
    return (*(config.Entrypoint or []), *(config.Cmd or []))


def _merge_argv(
    request: CreateRequest, image: ImageRunConfig
) -> tuple[list[str] | None, list[str] | None]:
    entrypoint, command = request.Entrypoint, request.Cmd
    if not entrypoint:
        if not command:
            command = image.Cmd
        if entrypoint is None:
            entrypoint = image.Entrypoint
    if entrypoint == [""]:
        entrypoint = None
    if not entrypoint and not command:
        raise InvalidArgument("no command specified")
    return entrypoint, command


def _merge_env(asked: Sequence[str] | None, image: Sequence[str] | None) -> list[str] | None:
    if not asked:
        return list(image) if image else None if asked is None else []
    names = {entry.partition("=")[0] for entry in asked}
    return [*asked, *(entry for entry in image or () if entry.partition("=")[0] not in names)]


def _unite(
    image: Mapping[str, Any] | None, asked: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    if image is None and asked is None:
        return None
    return {**(image or {}), **(asked or {})} or None


def _merge_health(asked: HealthConfig | None, image: HealthSpec | None) -> HealthConfig | None:
    if image is None:
        return asked
    base = HealthConfig(**{name: getattr(image, name) for name in HealthConfig.__struct_fields__})
    if asked is None:
        return base
    return HealthConfig(
        **{
            name: getattr(asked, name) or getattr(base, name)
            for name in HealthConfig.__struct_fields__
        }
    )


def asked_host(request: CreateRequest) -> HostSettings:
    """With the runtime of old clients, who ask for it outside of HostConfig."""
    host = request.HostConfig
    return msgspec.structs.replace(host, Runtime=host.Runtime or request.Runtime)


def complete_host(host: HostSettings, defaults: Defaults) -> HostSettings:
    """`HostConfig` as inspect shows it: with every default filled in."""
    unconfined = host.Privileged or "systempaths=unconfined" in (host.SecurityOpt or ())
    driver = host.LogConfig.Type or defaults.log_driver
    options = {**(host.LogConfig.Config or {})}
    if driver == defaults.log_driver:  # the daemon's options are for its own driver
        options = {**(defaults.log_options or {}), **options}
    changes: dict[str, Any] = {
        "NetworkMode": BRIDGE if host.NetworkMode in {"", "default"} else host.NetworkMode,
        "ShmSize": host.ShmSize or SHM_SIZE_BYTES,
        "IpcMode": host.IpcMode or "private",
        "CgroupnsMode": host.CgroupnsMode
        or ("host" if host.Privileged else defaults.cgroupns_mode),
        "Runtime": host.Runtime or defaults.runtime,
        "LogConfig": LogSettings(Type=driver, Config=options),
        "RestartPolicy": RestartSettings(
            Name=host.RestartPolicy.Name or "no",
            MaximumRetryCount=host.RestartPolicy.MaximumRetryCount,
        ),
        "PortBindings": host.PortBindings or {},
        "ConsoleSize": host.ConsoleSize or [0, 0],
        "MemorySwap": _memory_swap(host),
        "MemorySwappiness": None if host.MemorySwappiness == -1 else host.MemorySwappiness,
        "OomKillDisable": bool(host.OomKillDisable),
        "PidsLimit": host.PidsLimit if (host.PidsLimit or 0) > 0 else None,
        "MaskedPaths": _paths(host.MaskedPaths, defaults.masked_paths, unconfined=unconfined),
        "ReadonlyPaths": _paths(host.ReadonlyPaths, defaults.readonly_paths, unconfined=unconfined),
    }
    return msgspec.structs.replace(host, **changes)


def with_changes(host: HostSettings, changes: Mapping[str, str]) -> HostSettings:
    return msgspec.structs.replace(host, **changes)


def _memory_swap(host: HostSettings) -> int:
    """Twice the memory when only that is limited, as Docker documents."""
    return host.Memory * 2 if host.Memory > 0 and host.MemorySwap == 0 else host.MemorySwap


def _paths(
    asked: list[str] | None, defaults: tuple[str, ...], *, unconfined: bool
) -> list[str] | None:
    if asked is not None:
        return asked
    return None if unconfined else list(defaults)
