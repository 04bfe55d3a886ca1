"""A service's document in the form in which it is kept: what the client left out is filled in.

dockerd does the same on the way to its managers, so this is what `service inspect` shows: a port
has its protocol and mode, a service without mode has one replica. What contradicts itself is
refused here, with dockerd's texts; what is merely wrong by spec_check.
"""

from typing import Final

from msgspec.structs import replace

from sampan.errors import InvalidArgument
from sampan.wire.services import (
    EndpointChoice,
    PortConfig,
    ReplicatedJobMode,
    ReplicatedMode,
    ServiceContainer,
    ServiceMode,
    ServiceSpec,
    TaskSpec,
    UpdatePolicy,
)

CONTAINER: Final = "container"
ATTACHMENT: Final = "attachment"
CONDITIONS = frozenset({"", "none", "on-failure", "any"})
UPDATE_ACTIONS = frozenset({"", "pause", "continue", "rollback"})
ROLLBACK_ACTIONS = frozenset({"", "pause", "continue"})
ORDERS = frozenset({"", "stop-first", "start-first"})
RESOLUTION_MODES = frozenset({"", "vip", "dnsrr"})


def formed(spec: ServiceSpec, *, name: str) -> ServiceSpec:
    """The spec as kept; `name` is used when it has none. Raises InvalidArgument."""
    return replace(
        spec,
        Name=spec.Name or name,
        Labels=spec.Labels or {},
        TaskTemplate=_task(spec.TaskTemplate),
        Mode=_mode(spec.Mode),
        UpdateConfig=_policy(spec.UpdateConfig, "update", UPDATE_ACTIONS),
        RollbackConfig=_policy(spec.RollbackConfig, "rollback", ROLLBACK_ACTIONS),
        EndpointSpec=None if spec.EndpointSpec is None else _endpoint(spec.EndpointSpec),
    )


def _task(task: TaskSpec) -> TaskSpec:
    if task.Runtime not in {"", CONTAINER}:
        raise InvalidArgument("unsupported runtime")
    if task.ContainerSpec is None or task.PluginSpec is not None:
        raise InvalidArgument("mismatched Runtime and *Spec fields")
    restart = task.RestartPolicy
    if restart is not None and restart.Condition not in CONDITIONS:
        raise InvalidArgument(f'invalid RestartCondition: "{restart.Condition}"')
    if restart is not None and not restart.Condition:
        restart = replace(restart, Condition="any")
    return replace(
        task, Runtime=CONTAINER, ContainerSpec=_container(task.ContainerSpec), RestartPolicy=restart
    )


def _container(container: ServiceContainer) -> ServiceContainer:
    isolation = container.Isolation or "default"
    if isolation.lower() not in {"default", "process", "hyperv"}:
        raise InvalidArgument(f'invalid isolation: "{container.Isolation}"')
    return replace(container, Isolation=isolation.lower())


def _mode(mode: ServiceMode) -> ServiceMode:
    kinds = (mode.Replicated, mode.Global, mode.ReplicatedJob, mode.GlobalJob)
    if sum(kind is not None for kind in kinds) > 1:
        raise InvalidArgument("must specify only one service mode")
    if mode.ReplicatedJob is not None:
        together = mode.ReplicatedJob.MaxConcurrent
        together = 1 if together is None else together
        total = mode.ReplicatedJob.TotalCompletions
        job = ReplicatedJobMode(
            MaxConcurrent=together, TotalCompletions=together if total is None else total
        )
        return ServiceMode(ReplicatedJob=job)
    if mode.Global is not None or mode.GlobalJob is not None:
        return mode
    replicas = mode.Replicated.Replicas if mode.Replicated is not None else None
    return ServiceMode(Replicated=ReplicatedMode(Replicas=1 if replicas is None else replicas))


def _policy(policy: UpdatePolicy | None, word: str, actions: frozenset[str]) -> UpdatePolicy | None:
    if policy is None:
        return None
    if policy.FailureAction not in actions:
        raise InvalidArgument(f"unrecognized {word} failure action {policy.FailureAction}")
    if policy.Order not in ORDERS:
        raise InvalidArgument(f"unrecognized {word} order {policy.Order}")
    return replace(
        policy,
        FailureAction=policy.FailureAction or "pause",
        Order=policy.Order or "stop-first",
    )


def _endpoint(endpoint: EndpointChoice) -> EndpointChoice:
    if endpoint.Mode not in RESOLUTION_MODES:
        raise InvalidArgument(f'invalid resolution mode: "{endpoint.Mode}"')
    ports = [_port(port) for port in endpoint.Ports or ()]
    return EndpointChoice(Mode=endpoint.Mode or "vip", Ports=ports or None)


def _port(port: PortConfig) -> PortConfig:
    """An unknown protocol counts as tcp, as with dockerd."""
    protocol, mode = port.Protocol.lower(), port.PublishMode.lower()
    return replace(
        port,
        Protocol=protocol if protocol in {"udp", "sctp"} else "tcp",
        PublishMode="host" if mode == "host" else "ingress",
    )
