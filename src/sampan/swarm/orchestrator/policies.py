"""What a service's spec means where it is silent: modes, counts and policies with their defaults.

Specs are kept as given; whoever reads one of these members reads it through here. Defaults are
Docker's: 1 replica; restart on any condition after 5 s, without limit; updates one by one, stop
first, watched for 5 s, paused at the first failure.
"""

from dataclasses import dataclass
from enum import StrEnum

from sampan.lib.clock import NANOS
from sampan.swarm.model import Service
from sampan.wire.services import (
    NetworkAttachmentConfig,
    PlacementRules,
    PortConfig,
    ServiceSpec,
    TaskSpec,
    UpdatePolicy,
)

RESTART_DELAY_NS = 5 * NANOS
MONITOR_NS = 5 * NANOS
INGRESS = "ingress"
HOST = "host"


class Mode(StrEnum):
    REPLICATED = "replicated"
    GLOBAL = "global"
    REPLICATED_JOB = "replicated-job"
    GLOBAL_JOB = "global-job"


JOBS = frozenset({Mode.REPLICATED_JOB, Mode.GLOBAL_JOB})


class Condition(StrEnum):
    NONE = "none"
    ON_FAILURE = "on-failure"
    ANY = "any"


class FailureAction(StrEnum):
    PAUSE = "pause"
    CONTINUE = "continue"
    ROLLBACK = "rollback"


class Order(StrEnum):
    STOP_FIRST = "stop-first"
    START_FIRST = "start-first"


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    condition: Condition = Condition.ANY
    delay_ns: int = RESTART_DELAY_NS
    max_attempts: int = 0  # 0: any number
    window_ns: int = 0  # 0: all that ever happened counts


@dataclass(frozen=True, slots=True)
class Rollout:
    """How an update, or a rollback, is carried out."""

    parallelism: int = 1  # 0: all at once
    delay_ns: int = 0
    failure_action: FailureAction = FailureAction.PAUSE
    monitor_ns: int = MONITOR_NS
    max_failure_ratio: float = 0.0
    order: Order = Order.STOP_FIRST


def mode_of(spec: ServiceSpec) -> Mode:
    mode = spec.Mode
    if mode.Global is not None:
        return Mode.GLOBAL
    if mode.ReplicatedJob is not None:
        return Mode.REPLICATED_JOB
    if mode.GlobalJob is not None:
        return Mode.GLOBAL_JOB
    return Mode.REPLICATED


def is_job(service: Service) -> bool:
    return mode_of(service.spec) in JOBS


def replicas_of(spec: ServiceSpec) -> int:
    replicated = spec.Mode.Replicated
    asked = replicated.Replicas if replicated else None
    return 1 if asked is None else asked


def job_counts(spec: ServiceSpec) -> tuple[int, int]:
    """At most so many at once, and so many completions in all."""
    job = spec.Mode.ReplicatedJob
    at_once = job.MaxConcurrent if job else None
    in_all = job.TotalCompletions if job else None
    at_once = 1 if at_once is None else at_once
    in_all = at_once if in_all is None else in_all
    return at_once or in_all, in_all


def restart_policy(spec: TaskSpec) -> RestartPolicy:
    asked = spec.RestartPolicy
    if asked is None:
        return RestartPolicy()
    return RestartPolicy(
        condition=Condition(asked.Condition or Condition.ANY),
        delay_ns=RESTART_DELAY_NS if asked.Delay is None else asked.Delay,
        max_attempts=asked.MaxAttempts or 0,
        window_ns=asked.Window or 0,
    )


def rollout(asked: UpdatePolicy | None) -> Rollout:
    if asked is None:
        return Rollout()
    return Rollout(
        parallelism=asked.Parallelism,
        delay_ns=asked.Delay,
        failure_action=FailureAction(asked.FailureAction or FailureAction.PAUSE),
        monitor_ns=asked.Monitor or MONITOR_NS,
        max_failure_ratio=asked.MaxFailureRatio,
        order=Order(asked.Order or Order.STOP_FIRST),
    )


def placement_of(spec: TaskSpec) -> PlacementRules:
    return spec.Placement or PlacementRules()


def networks_of(spec: ServiceSpec) -> list[NetworkAttachmentConfig]:
    """Of its tasks; old clients give them beside the template."""
    return spec.TaskTemplate.Networks or spec.Networks or []


def ports_of(spec: ServiceSpec) -> list[PortConfig]:
    return (spec.EndpointSpec.Ports or []) if spec.EndpointSpec else []


def endpoint_mode(spec: ServiceSpec) -> str:
    return (spec.EndpointSpec.Mode if spec.EndpointSpec else "") or "vip"


def is_ingress(port: PortConfig) -> bool:
    return (port.PublishMode or INGRESS) == INGRESS


def protocol_of(port: PortConfig) -> str:
    return port.Protocol or "tcp"
