"""The document of `service create`."""

from __future__ import annotations

from sampan.cli.command import Exit
from sampan.cli.runflags.keyvalues import environment
from sampan.cli.serviceflags.resolving import file_references
from sampan.cli.serviceflags.shared import (
    capabilities,
    part,
    set_mode_numbers,
    set_shared,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.flags import Flags
    from sampan.client.api import Client

    Document = dict[str, Any]

_MODES = {
    "replicated": "Replicated",
    "global": "Global",
    "replicated-job": "ReplicatedJob",
    "global-job": "GlobalJob",
}


def service_spec(client: Client, flags: Flags, words: list[str]) -> Document:
    """Raises Exit."""
    spec: Document = {
        "Name": flags.text("name"),
        "Labels": flags.mapping("label"),
        "TaskTemplate": {
            "ContainerSpec": _container(flags, words),
            "Resources": {"Limits": {}, "Reservations": {}},
            "Placement": {},
            "ForceUpdate": 0,
        },
        "Mode": _mode(flags),
        "EndpointSpec": {"Mode": "vip"},
    }
    set_shared(spec, flags)
    task = spec["TaskTemplate"]
    container = task["ContainerSpec"]
    for kind, key in (("secret", "Secrets"), ("config", "Configs")):
        if references := file_references(client, kind, _objects(flags, kind)):
            container[key] = references
    if resources := flags.objects("generic-resource"):
        part(task, "Resources", "Reservations")["GenericResources"] = resources
    if constraints := flags.items("constraint"):
        part(task, "Placement")["Constraints"] = constraints
    if preferences := flags.objects("placement-pref"):
        part(task, "Placement")["Preferences"] = preferences
    if networks := flags.objects("network"):
        task["Networks"] = networks
    if ports := _ports(flags, "publish"):
        spec["EndpointSpec"]["Ports"] = ports
    _as_job(spec)
    return spec


def _objects(flags: Flags, name: str) -> list[Document]:
    return [each for each in flags.objects(name) if isinstance(each, dict)]


def _ports(flags: Flags, name: str) -> list[Document]:
    return [port for ports in flags.objects(name) if isinstance(ports, list) for port in ports]


def _mode(flags: Flags) -> Document:
    word = flags.text("mode") or "replicated"
    if word not in _MODES:
        raise Exit(
            1,
            f"Unknown mode: {word}, only replicated (default), global, replicated-job, and "
            "global-job are supported",
        )
    mode: Document = {_MODES[word]: {}}
    if word == "replicated":
        mode["Replicated"]["Replicas"] = 1
    if flags.given("replicas-max-per-node") and word in {"global", "global-job"}:
        raise Exit(1, "replicas-max-per-node can only be used with replicated mode")
    set_mode_numbers(mode, flags)
    if word == "replicated-job":
        job = mode["ReplicatedJob"]
        job.setdefault("MaxConcurrent", job.get("TotalCompletions", 1))
        job.setdefault("TotalCompletions", 1)
    return mode


def _as_job(spec: Document) -> None:
    """Jobs have no updates, and restart on failure unless told otherwise."""
    mode = spec["Mode"]
    if "ReplicatedJob" not in mode and "GlobalJob" not in mode:
        return
    if spec.pop("UpdateConfig", None) or spec.pop("RollbackConfig", None):
        raise Exit(1, "update and rollback configuration is not supported for jobs")
    policy = part(spec["TaskTemplate"], "RestartPolicy")
    condition = policy.setdefault("Condition", "on-failure")
    if condition == "any":
        raise Exit(1, "invalid restart condition (any) for mode replicated-job or global-job")


def _container(flags: Flags, words: list[str]) -> Document:
    added, dropped = capabilities(flags.items("cap-add"), flags.items("cap-drop"), {})
    dns = {
        "Nameservers": flags.items("dns"),
        "Search": flags.items("dns-search"),
        "Options": flags.items("dns-option"),
    }
    container: Document = {
        "Image": words[0],
        "Args": words[1:],
        "Labels": flags.mapping("container-label"),
        "Env": environment(flags.items("env-file"), flags.items("env")),
        "Groups": flags.items("group"),
        "Mounts": flags.objects("mount"),
        "Hosts": flags.items("host"),
        "Sysctls": flags.mapping("sysctl"),
        "Ulimits": flags.objects("ulimit"),
        "Devices": flags.items("device"),
        "CapabilityAdd": added,
        "CapabilityDrop": dropped,
    }
    container = {key: value for key, value in container.items() if value}
    return container | {
        "Init": False,
        "DNSConfig": {key: value for key, value in dns.items() if value},
    }
