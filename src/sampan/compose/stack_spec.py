"""A project's services as services of a swarm: the documents that `stack deploy` sends. Pure.

Names are PROJECT_KEY, and everything carries the label of its stack, by which it is found again.
What a swarm can't do is refused with file and line (`refusal`) rather than left out in silence:
a service that runs without what was asked for is worse than none. Keys that only matter elsewhere
(`build` beside an image, `depends_on`, `expose`, `pull_policy`) are left out.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sampan.compose.attributes import Resource, UpdateConfig
from sampan.compose.failures import BadKey
from sampan.compose.model import Project, Service
from sampan.compose.stack_container import container_spec, pruned, scoped, stack_labels
from sampan.errors import InvalidArgument

Json = dict[str, Any]

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
            "ContainerSpec": container_spec(project, service, files),
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
    return pruned(spec)


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
