"""A project's services as services of a swarm: the documents that `stack deploy` sends. Pure.

Names are PROJECT_KEY, and everything carries the label of its stack, by which it is found again.
What a swarm can't do is refused with file and line (`refusal`) rather than left out in silence:
a service that runs without what was asked for is worse than none. Keys that only matter elsewhere
(`build` beside an image, `depends_on`, `expose`, `pull_policy`) are left out.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sampan.compose.attributes import Healthcheck, Resource, UpdateConfig, VolumeMount
from sampan.compose.failures import BadKey
from sampan.compose.model import Project, Service
from sampan.compose.translate import environment
from sampan.errors import InvalidArgument

Json = dict[str, Any]

NAMESPACE = "com.docker.stack.namespace"
IMAGE = "com.docker.stack.image"
UNSUPPORTED = (
    "annotations",
    "blkio_config",
    "cgroup",
    "cgroup_parent",
    "container_name",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpuset",
    "device_cgroup_rules",
    "domainname",
    "external_links",
    "gpus",
    "ipc",
    "links",
    "mac_address",
    "mem_swappiness",
    "memswap_limit",
    "models",
    "network_mode",
    "oom_kill_disable",
    "pid",
    "post_start",
    "pre_start",
    "pre_stop",
    "provider",
    "runtime",
    "shm_size",
    "storage_opt",
    "userns_mode",
    "uts",
    "volumes_from",
)
FILE_MODE = 0o444


class NoImage(InvalidArgument):
    def __init__(self, service: str) -> None:
        super().__init__(f"invalid image reference for service {service}: no image specified")


def refusal(tree: Mapping[str, Any]) -> BadKey | None:
    """The first key of a canonical tree that services of a swarm can't have."""
    for name, service in (tree.get("services") or {}).items():
        for key in UNSUPPORTED:
            if (service or {}).get(key):
                problem = "isn't supported by services of a swarm"
                return BadKey(("services", name, key), problem, joint=" ")
    return None


def scoped(project: Project, name: str) -> str:
    return f"{project.name}_{name}"


def stack_labels(project: Project, labels: Mapping[str, str]) -> dict[str, str]:
    return {**labels, NAMESPACE: project.name}


def service_spec(project: Project, service: Service, files: Callable[[str, str], str]) -> Json:
    """`files`: a secret's or config's id by kind and real name. Raises InvalidArgument."""
    if not service.image:
        raise NoImage(service.name)
    deploy = service.deploy
    labels = {**(deploy.labels if deploy else {}), IMAGE: service.image}
    spec: Json = {
        "Name": scoped(project, service.name),
        "Labels": stack_labels(project, labels),
        "TaskTemplate": {
            "ContainerSpec": _container(project, service, files),
            "Resources": _resources(service),
            "RestartPolicy": _restart(service),
            "Placement": _placement(service),
            "Networks": _networks(project, service),
            "LogDriver": _log_driver(service),
            "ForceUpdate": 0,
        },
        "Mode": _mode(service),
        "UpdateConfig": _policy(deploy.update_config if deploy else None),
        "RollbackConfig": _policy(deploy.rollback_config if deploy else None),
        "EndpointSpec": _endpoint(service),
    }
    return _pruned(spec)


def _pruned(value: Json) -> Json:
    """Without what wasn't asked for, one level into the task as well."""
    found = {key: part for key, part in value.items() if part is not None and part != []}
    if "TaskTemplate" in found:
        found["TaskTemplate"] = _pruned(found["TaskTemplate"])
    return found


# --- the container -------------------------------------------------------------------------------


def _container(project: Project, service: Service, files: Callable[[str, str], str]) -> Json:
    found: Json = {
        "Image": service.image,
        "Command": list(service.entrypoint) if service.entrypoint is not None else None,
        "Args": list(service.command) if service.command is not None else None,
        "Hostname": service.hostname or None,
        "Labels": stack_labels(project, service.labels),
        "Hosts": [
            f"{address} {host}"
            for host, addresses in sorted(service.extra_hosts.items())
            for address in addresses
        ],
        "DNSConfig": _dns(service),
        "Healthcheck": _health(service.healthcheck),
        "Env": sorted(environment(service.environment)),
        "Dir": service.working_dir or None,
        "User": service.user or None,
        "Groups": list(service.group_add),
        "Mounts": [_mount(project, each) for each in service.volumes]
        + [{"Type": "tmpfs", "Target": each.partition(":")[0]} for each in service.tmpfs],
        "StopGracePeriod": service.stop_grace_period,
        "StopSignal": service.stop_signal or None,
        "TTY": service.tty or None,
        "OpenStdin": service.stdin_open or None,
        "ReadOnly": service.read_only or None,
        "Init": service.init,
        "Isolation": service.isolation or None,
        "Sysctls": dict(service.sysctls) or None,
        "CapabilityAdd": sorted(service.cap_add),
        "CapabilityDrop": sorted(service.cap_drop),
        "Ulimits": [
            {"Name": name, "Soft": limit.single or limit.soft, "Hard": limit.single or limit.hard}
            for name, limit in sorted(service.ulimits.items())
        ],
        "OomScoreAdj": service.oom_score_adj or None,
        "Privileged": service.privileged or None,
        "Devices": [
            f"{each.source}:{each.target or each.source}:{each.permissions or 'rwm'}"
            for each in service.devices
        ],
        "Privileges": _privileges(service),
        "Secrets": _files(project, service, "secret", files),
        "Configs": _files(project, service, "config", files),
    }
    return _pruned(found)


def _dns(service: Service) -> Json | None:
    found = {
        "Nameservers": list(service.dns),
        "Search": list(service.dns_search),
        "Options": list(service.dns_opt),
    }
    return {key: value for key, value in found.items() if value} or None


def _health(check: Healthcheck | None) -> Json | None:
    if check is None:
        return None
    if check.disable:
        return {"Test": ["NONE"]}
    found: Json = {
        "Test": list(check.test),
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "StartInterval": check.start_interval,
        "Retries": check.retries,
    }
    return {key: value for key, value in found.items() if value}


def _privileges(service: Service) -> Json | None:
    found: Json = {}
    for option in service.security_opt:
        key, _, value = option.replace("=", ":", 1).partition(":")
        if key == "no-new-privileges":
            found["NoNewPrivileges"] = value != "false"
        elif key == "seccomp" and value == "unconfined":
            found["Seccomp"] = {"Mode": "unconfined"}
        elif key == "apparmor" and value == "unconfined":
            found["AppArmor"] = {"Mode": "disabled"}
        else:
            raise InvalidArgument(
                f"services.{service.name}.security_opt: {option} isn't supported by services of a "
                "swarm"
            )
    return found or None


def _mount(project: Project, volume: VolumeMount) -> Json:
    found: Json = {"Type": volume.type, "Target": volume.target}
    if volume.read_only:
        found["ReadOnly"] = True
    if volume.source:
        found["Source"] = volume.source
    if volume.type == "volume" and volume.source:
        _add_volume(project, volume, found)
    if volume.bind is not None and volume.bind.propagation:
        found["BindOptions"] = {"Propagation": volume.bind.propagation}
    if volume.tmpfs is not None and volume.tmpfs.size:
        found["TmpfsOptions"] = {"SizeBytes": int(volume.tmpfs.size)}
    return found


def _add_volume(project: Project, volume: VolumeMount, found: Json) -> None:
    known = project.volumes.get(volume.source)
    if known is None:
        return
    found["Source"] = known.name or scoped(project, volume.source)
    options: Json = {}
    if volume.volume is not None and volume.volume.nocopy:
        options["NoCopy"] = True
    if volume.volume is not None and volume.volume.subpath:
        options["Subpath"] = volume.volume.subpath
    if not known.external:
        options["Labels"] = stack_labels(project, known.labels)
        if known.driver or known.driver_opts:
            options["DriverConfig"] = {"Name": known.driver, "Options": dict(known.driver_opts)}
    if options:
        found["VolumeOptions"] = options


def _files(
    project: Project, service: Service, kind: str, files: Callable[[str, str], str]
) -> list[Json]:
    references = service.secrets if kind == "secret" else service.configs
    known = project.secrets if kind == "secret" else project.configs
    found = []
    for each in references:
        name = known[each.source].name or scoped(project, each.source)
        default = each.source if kind == "secret" else f"/{each.source}"
        target = {
            "Name": each.target or default,
            "UID": each.uid or "0",
            "GID": each.gid or "0",
            "Mode": FILE_MODE if each.mode is None else int(each.mode),
        }
        word = kind.capitalize()
        found.append({"File": target, f"{word}ID": files(kind, name), f"{word}Name": name})
    return sorted(found, key=lambda each: str(each["File"]["Name"]))


# --- the task ------------------------------------------------------------------------------------


def _resources(service: Service) -> Json:
    deploy = service.deploy
    limits = _amounts(deploy.resources.limits if deploy else None)
    reservations = _amounts(deploy.resources.reservations if deploy else None)
    # keys of services that aren't deployed mean the same
    if service.cpus:
        limits.setdefault("NanoCPUs", _nano(service.cpus))
    if service.mem_limit:
        limits.setdefault("MemoryBytes", int(service.mem_limit))
    if service.pids_limit > 0:
        limits.setdefault("Pids", service.pids_limit)
    if service.mem_reservation:
        reservations.setdefault("MemoryBytes", int(service.mem_reservation))
    parts = {"Limits": limits, "Reservations": reservations}
    return {key: value for key, value in parts.items() if value}


def _amounts(amounts: Resource | None) -> Json:
    if amounts is None:
        return {}
    found: Json = {
        "NanoCPUs": _nano(amounts.cpus),
        "MemoryBytes": int(amounts.memory),
        "Pids": amounts.pids,
        "GenericResources": [
            {
                "DiscreteResourceSpec": {
                    "Kind": each.discrete_resource_spec.kind,
                    "Value": each.discrete_resource_spec.value,
                }
            }
            for each in amounts.generic_resources
            if each.discrete_resource_spec is not None
        ],
    }
    return {key: value for key, value in found.items() if value}


def _nano(cpus: float) -> int:
    return round(float(cpus) * 1000) * 1_000_000


def _restart(service: Service) -> Json | None:
    policy = service.deploy.restart_policy if service.deploy else None
    if policy is not None:
        found: Json = {
            "Condition": policy.condition or "any",
            "Delay": policy.delay,
            "MaxAttempts": policy.max_attempts,
            "Window": policy.window,
        }
        return {key: value for key, value in found.items() if value is not None}
    word, _, attempts = service.restart.partition(":")
    if not word:
        return None
    if word == "on-failure":
        limit = {"MaxAttempts": int(attempts)} if attempts.isdecimal() else {}
        return {"Condition": "on-failure", **limit}
    return {"Condition": "none" if word in {"no", "false"} else "any"}


def _placement(service: Service) -> Json | None:
    placement = service.deploy.placement if service.deploy else None
    if placement is None:
        return None
    found: Json = {
        "Constraints": list(placement.constraints),
        "Preferences": [
            {"Spread": {"SpreadDescriptor": each.spread}} for each in placement.preferences
        ],
        "MaxReplicas": placement.max_replicas_per_node,
    }
    return {key: value for key, value in found.items() if value} or None


def _networks(project: Project, service: Service) -> list[Json]:
    found = []
    for key in service.networks_by_priority():
        attachment = service.networks[key]
        network = project.networks[key]
        aliases = list(attachment.aliases) if attachment else []
        entry: Json = {"Target": network.name or scoped(project, key)}
        entry["Aliases"] = [*aliases, service.name]
        if attachment and attachment.driver_opts:
            entry["DriverOpts"] = dict(attachment.driver_opts)
        found.append(entry)
    return sorted(found, key=lambda each: str(each["Target"]))


def _log_driver(service: Service) -> Json | None:
    logging = service.logging
    if logging is None:
        return None
    return {"Name": logging.driver, "Options": dict(logging.options)}


def _mode(service: Service) -> Json:
    deploy = service.deploy
    word = deploy.mode if deploy else ""
    if word == "global":
        return {"Global": {}}
    if word == "global-job":
        return {"GlobalJob": {}}
    if word == "replicated-job":
        return {
            "ReplicatedJob": {
                "MaxConcurrent": service.replicas,
                "TotalCompletions": service.replicas,
            }
        }
    return {"Replicated": {"Replicas": service.replicas}}


def _policy(config: UpdateConfig | None) -> Json | None:
    if config is None:
        return None
    return {
        "Parallelism": 1 if config.parallelism is None else config.parallelism,
        "Delay": int(config.delay),
        "FailureAction": config.failure_action,
        "Monitor": int(config.monitor),
        "MaxFailureRatio": float(config.max_failure_ratio),
        "Order": config.order,
    }


def _endpoint(service: Service) -> Json:
    ports = []
    for port in service.ports:
        first, _, last = port.published.partition("-")
        if last:
            raise InvalidArgument(
                f"services.{service.name}.ports: a range of published ports ({port.published}) "
                f"for one target isn't supported by services of a swarm"
            )
        entry: Json = {"Protocol": port.protocol or "tcp", "TargetPort": port.target}
        if first:
            entry["PublishedPort"] = int(first)
        ports.append({**entry, "PublishMode": port.mode or "ingress"})
    found: Json = {}
    if service.deploy is not None and service.deploy.endpoint_mode:
        found["Mode"] = service.deploy.endpoint_mode
    if ports:
        found["Ports"] = sorted(ports, key=lambda each: int(each.get("PublishedPort", 0)))
    return found
