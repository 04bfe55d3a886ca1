"""What both verbs do with the flags that they share: set members of a service's document.

A document is the API's ServiceSpec as plain dicts. Only flags that were given change it, so that
`service update` leaves everything else as it is.
"""

from __future__ import annotations

import shlex

from sampan.cli.command import Exit
from sampan.cli.runflags.body import capability
from sampan.cli.runflags.health import healthcheck

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.flags import Flags

    Document = dict[str, Any]

POLICY: Document = {
    "Parallelism": 1,
    "FailureAction": "pause",
    "Monitor": 5_000_000_000,
    "MaxFailureRatio": 0,
    "Order": "stop-first",
}
# flag -> (member, whether 0 and "" are worth setting)
_CONTAINER = {
    "hostname": "Hostname",
    "isolation": "Isolation",
    "stop-grace-period": "StopGracePeriod",
    "stop-signal": "StopSignal",
    "tty": "TTY",
    "init": "Init",
    "read-only": "ReadOnly",
    "user": "User",
    "workdir": "Dir",
    "oom-score-adj": "OomScoreAdj",
    "privileged": "Privileged",
}
_RESTART = {
    "restart-condition": "Condition",
    "restart-delay": "Delay",
    "restart-max-attempts": "MaxAttempts",
    "restart-window": "Window",
}
_POLICY = {
    "parallelism": "Parallelism",
    "delay": "Delay",
    "failure-action": "FailureAction",
    "monitor": "Monitor",
    "max-failure-ratio": "MaxFailureRatio",
    "order": "Order",
}
_LIMITS = {"limit-cpu": "NanoCPUs", "limit-memory": "MemoryBytes", "limit-pids": "Pids"}
_RESERVATIONS = {"reserve-cpu": "NanoCPUs", "reserve-memory": "MemoryBytes"}


def part(document: Document, *names: str) -> Document:
    """A member of a member, made where there is none."""
    for name in names:
        if document.get(name) is None:
            document[name] = {}
        document = document[name]
    return document


def _set(document: Document, flags: Flags, table: dict[str, str]) -> None:
    for name, key in table.items():
        if flags.given(name):
            document[key] = flags.value(name)


def _any(flags: Flags, table: dict[str, str]) -> bool:
    return any(flags.given(name) for name in table)


def set_shared(spec: Document, flags: Flags) -> None:
    """Raises Exit for flags that contradict each other."""
    container = part(spec, "TaskTemplate", "ContainerSpec")
    _set(container, flags, _CONTAINER)
    if flags.given("entrypoint"):
        container["Command"] = shlex.split(flags.text("entrypoint")) or None
    if flags.given("credential-spec"):
        part(container, "Privileges")["CredentialSpec"] = flags.value("credential-spec")
    _set_health(container, flags)
    task = spec["TaskTemplate"]
    if _any(flags, _LIMITS):
        _set(part(task, "Resources", "Limits"), flags, _LIMITS)
    if _any(flags, _RESERVATIONS):
        _set(part(task, "Resources", "Reservations"), flags, _RESERVATIONS)
    if _any(flags, _RESTART):
        _set(part(task, "RestartPolicy"), flags, _RESTART)
    if flags.given("replicas-max-per-node"):
        part(task, "Placement")["MaxReplicas"] = flags.number("replicas-max-per-node")
    if flags.given("log-driver") or flags.given("log-opt"):
        task["LogDriver"] = {"Name": flags.text("log-driver"), "Options": flags.mapping("log-opt")}
    for word, key in (("update", "UpdateConfig"), ("rollback", "RollbackConfig")):
        table = {f"{word}-{name}": member for name, member in _POLICY.items()}
        if _any(flags, table):
            spec[key] = {**POLICY, **(spec.get(key) or {})}
            _set(spec[key], flags, table)
            spec[key]["MaxFailureRatio"] = float(spec[key]["MaxFailureRatio"])
    if flags.given("endpoint-mode"):
        part(spec, "EndpointSpec")["Mode"] = flags.text("endpoint-mode")


def _set_health(container: Document, flags: Flags) -> None:
    check = healthcheck(flags)
    if check is None:
        return
    held = container.get("Healthcheck") or {}
    if check.get("Test") != ["NONE"] and held.get("Test") != ["NONE"]:
        check = {**held, **check}
    container["Healthcheck"] = check


def capabilities(
    added: list[str], dropped: list[str], held: Document
) -> tuple[list[str], list[str]]:
    """Adding takes a drop back and the other way round; the same in both wins as an addition."""
    add = {*(held.get("CapabilityAdd") or ())}
    drop = {*(held.get("CapabilityDrop") or ())}
    for name in map(capability, dropped):
        drop.add(name)
        add.discard(name)
    for name in map(capability, added):
        add.add(name)
        drop.discard(name)
    return sorted(add), sorted(drop)


def set_mode_numbers(mode: Document, flags: Flags) -> None:
    """--replicas and --max-concurrent. Raises Exit where the mode has none."""
    if flags.given("replicas"):
        if mode.get("Replicated") is not None:
            mode["Replicated"]["Replicas"] = flags.number("replicas")
        elif mode.get("ReplicatedJob") is not None:
            mode["ReplicatedJob"]["TotalCompletions"] = flags.number("replicas")
        else:
            raise Exit(1, "replicas can only be used with replicated or replicated-job mode")
    if flags.given("max-concurrent"):
        if mode.get("ReplicatedJob") is None:
            raise Exit(1, "max-concurrent can only be used with replicated-job mode")
        mode["ReplicatedJob"]["MaxConcurrent"] = flags.number("max-concurrent")
