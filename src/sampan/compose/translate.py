"""A service as the body of a container create request, the whole of it and nothing else.

Pure: everything that must be known of the engine (ids of containers that are referred to, the
image, volumes to carry over) comes in as `Surroundings`. Keys that can't be honoured outside a
swarm or on this engine are refused here with their name.
"""

from collections.abc import Mapping
from typing import Any

from sampan.compose.endpoints import endpoints, legacy_links
from sampan.compose.labels import REPLACE, container_labels
from sampan.compose.limits import blkio, device_requests, devices, limits, ulimits
from sampan.compose.model import Project, Service
from sampan.compose.mounts import Mounts, translate_mounts
from sampan.compose.surroundings import Surroundings
from sampan.errors import Unsupported

Json = dict[str, Any]  # a request's body: the engine's API, not ours
NONE_MODE = "none"


class NotHonoured(Unsupported):
    def __init__(self, service: str, key: str, why: str) -> None:
        super().__init__(f'service "{service}": {key} {why}')


def check(service: Service) -> None:
    """Raises NotHonoured for what this engine can't do."""
    if service.provider is not None:
        raise NotHonoured(service.name, "provider", "is not supported: no plugins are run")
    if service.use_api_socket:
        raise NotHonoured(
            service.name,
            "use_api_socket",
            "is not supported: mount the engine's socket as a volume where that is meant",
        )
    if service.models:
        raise NotHonoured(service.name, "models", "is not supported: there is no model runner")
    if service.pre_start:
        raise NotHonoured(service.name, "pre_start", "is not supported: use a service of its own")
    if service.credential_spec is not None:
        raise NotHonoured(service.name, "credential_spec", "is for Windows containers only")
    if service.gpus:
        raise NotHonoured(service.name, "gpus", "is not supported: name devices instead")


def image_name(project: Project, service: Service) -> str:
    """The image as given, or the name that a built one gets."""
    return service.image or f"{project.name}-{service.name}"


def container_name(project: Project, service: Service, number: int) -> str:
    return service.container_name or f"{project.name}-{service.name}-{number}"


def create_body(project: Project, service: Service, around: Surroundings) -> Json:
    """The request's body. Raises NotHonoured."""
    check(service)
    mounts = translate_mounts(project, service, around.image_volumes, around.inherited)
    exposed, bindings = _ports(service)
    labels = container_labels(
        project,
        service,
        number=around.number,
        slug=around.slug,
        config_hash=around.config_hash,
        image=around.image,
    )
    if around.replaces:
        labels[REPLACE] = around.replaces
    body: Json = {
        **_process(project, service),
        "Labels": labels,
        "ExposedPorts": exposed,
        "HostConfig": _host_config(project, service, around, mounts, bindings),
        "NetworkingConfig": {"EndpointsConfig": endpoints(project, service, around)},
    }
    if service.stop_grace_period is not None:
        body["StopTimeout"] = int(service.stop_grace_period.seconds)
    return body


def _process(project: Project, service: Service) -> Json:
    body: Json = {
        "Hostname": service.hostname,
        "Domainname": service.domainname,
        "User": service.user,
        "AttachStdin": False,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": service.tty,
        "OpenStdin": service.stdin_open,
        "StdinOnce": False,
        "Env": environment(service.environment),
        "Cmd": None if service.command is None else list(service.command),
        "Entrypoint": None if service.entrypoint is None else list(service.entrypoint),
        "Image": image_name(project, service),
        "WorkingDir": service.working_dir,
    }
    if service.stop_signal:
        body["StopSignal"] = service.stop_signal
    if service.healthcheck is not None:
        body["Healthcheck"] = _healthcheck(service)
    return body


def environment(variables: Mapping[str, str | None]) -> list[str]:
    """ "KEY=value"; a KEY alone takes the image's variable away."""
    return [key if value is None else f"{key}={value}" for key, value in variables.items()]


def _healthcheck(service: Service) -> Json:
    given = service.healthcheck
    assert given is not None
    found: Json = {"Test": ["NONE"] if given.disable else list(given.test)}
    for key, value in (
        ("Interval", given.interval),
        ("Timeout", given.timeout),
        ("StartPeriod", given.start_period),
        ("StartInterval", given.start_interval),
        ("Retries", given.retries),
    ):
        if value is not None:
            found[key] = int(value)
    return found


def _ports(service: Service) -> tuple[Json, Json]:
    """ExposedPorts and PortBindings."""
    exposed: Json = {port: {} for port in service.expose}
    bindings: Json = {}
    for port in service.ports:
        key = f"{port.target}/{port.protocol or 'tcp'}"
        exposed[key] = {}
        bindings.setdefault(key, []).append({"HostIp": port.host_ip, "HostPort": port.published})
    return exposed, bindings


def restart_policy(service: Service) -> Json:
    """That of `deploy` wins over `restart`."""
    policy = service.deploy.restart_policy if service.deploy else None
    if policy is not None:
        name = {"none": "no", "on-failure": "on-failure"}.get(policy.condition, "always")
        return {"Name": name, "MaximumRetryCount": policy.max_attempts or 0}
    name, _, count = service.restart.partition(":")
    return {"Name": name, "MaximumRetryCount": int(count) if count.isdecimal() else 0}


def network_mode(project: Project, service: Service) -> str:
    """`service:` and `container:` forms have been resolved to ids before."""
    if service.network_mode:
        return service.network_mode
    keys = service.networks_by_priority()
    return project.networks[keys[0]].name if keys else NONE_MODE


def _host_config(
    project: Project, service: Service, around: Surroundings, mounts: Mounts, bindings: Json
) -> Json:
    logging = service.logging
    host: Json = {
        "Binds": list(mounts.binds),
        "Mounts": list(mounts.mounts),
        "LogConfig": {
            "Type": logging.driver if logging else "",
            "Config": dict(logging.options) if logging else {},
        },
        "NetworkMode": network_mode(project, service),
        "PortBindings": bindings,
        "RestartPolicy": restart_policy(service),
        "AutoRemove": False,
        "ExtraHosts": [
            f"{name}:{address}"
            for name, addresses in sorted(service.extra_hosts.items())
            for address in addresses
        ],
        "Links": legacy_links(project, service, around),
        "Ulimits": ulimits(service),
        "Devices": devices(service),
        "DeviceRequests": device_requests(service),
        "Tmpfs": {
            path: options for path, _, options in (entry.partition(":") for entry in service.tmpfs)
        },
        **_isolation(service),
        **limits(service),
        **blkio(service),
    }
    if service.init is not None:
        host["Init"] = service.init
    return host


def _isolation(service: Service) -> Json:
    """Namespaces, rights and names: most are passed on as they are."""
    return {
        "CapAdd": list(service.cap_add),
        "CapDrop": list(service.cap_drop),
        "CgroupParent": service.cgroup_parent,
        "CgroupnsMode": service.cgroup,
        "DeviceCgroupRules": list(service.device_cgroup_rules),
        "Dns": list(service.dns),
        "DnsOptions": list(service.dns_opt),
        "DnsSearch": list(service.dns_search),
        "GroupAdd": list(service.group_add),
        "IpcMode": service.ipc,
        "Isolation": service.isolation,
        "PidMode": service.pid,
        "Privileged": service.privileged,
        "ReadonlyRootfs": service.read_only,
        "Runtime": service.runtime,
        "SecurityOpt": list(service.security_opt),
        "StorageOpt": dict(service.storage_opt),
        "Sysctls": dict(service.sysctls),
        "Annotations": dict(service.annotations),
        "UTSMode": service.uts,
        "UsernsMode": service.userns_mode,
        "VolumesFrom": list(service.volumes_from),
    }
