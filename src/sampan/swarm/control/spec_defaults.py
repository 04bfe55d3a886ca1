"""`insertDefaults=true`: a service's document with everything that it leaves open spelled out."""

from msgspec.structs import replace

from sampan.lib.gotime import NANOS
from sampan.wire.services import (
    DNSSettings,
    EndpointChoice,
    PlacementRules,
    ResourceRequirements,
    ServiceSpec,
    TaskRestart,
    TaskSpec,
    UpdatePolicy,
)

STOP_GRACE_NS = 10 * NANOS
RESTART_DELAY_NS = 5 * NANOS
MONITOR_NS = 5 * NANOS
POLICY = UpdatePolicy(Parallelism=1, FailureAction="pause", Monitor=MONITOR_NS, Order="stop-first")


def with_defaults(spec: ServiceSpec) -> ServiceSpec:
    is_job = spec.Mode.ReplicatedJob is not None or spec.Mode.GlobalJob is not None
    return replace(
        spec,
        TaskTemplate=_task(spec.TaskTemplate, is_job=is_job),
        UpdateConfig=spec.UpdateConfig if is_job else _policy(spec.UpdateConfig),
        RollbackConfig=spec.RollbackConfig if is_job else _policy(spec.RollbackConfig),
        EndpointSpec=spec.EndpointSpec or EndpointChoice(Mode="vip"),
    )


def _task(task: TaskSpec, *, is_job: bool) -> TaskSpec:
    container = task.ContainerSpec
    if container is not None:
        grace = container.StopGracePeriod
        container = replace(
            container,
            StopGracePeriod=STOP_GRACE_NS if grace is None else grace,
            DNSConfig=container.DNSConfig or DNSSettings(),
        )
    return replace(
        task,
        ContainerSpec=container,
        Resources=task.Resources or ResourceRequirements(),
        RestartPolicy=_restart(task.RestartPolicy, is_job=is_job),
        Placement=task.Placement or PlacementRules(),
    )


def _restart(policy: TaskRestart | None, *, is_job: bool) -> TaskRestart:
    policy = policy or TaskRestart()
    return replace(
        policy,
        Condition=policy.Condition or ("on-failure" if is_job else "any"),
        Delay=RESTART_DELAY_NS if policy.Delay is None else policy.Delay,
        MaxAttempts=policy.MaxAttempts or 0,
    )


def _policy(policy: UpdatePolicy | None) -> UpdatePolicy:
    if policy is None:
        return POLICY
    return replace(policy, Monitor=policy.Monitor or MONITOR_NS)
