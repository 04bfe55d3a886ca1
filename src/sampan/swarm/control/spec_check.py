"""What a service may ask for: the rules that need nothing but its document. Texts are Docker's.

References to networks, secrets, configs and other services' ports are `references`.
"""

import re
from collections.abc import Iterable

from sampan.errors import InvalidArgument
from sampan.oci.reference import parse_reference
from sampan.swarm.control.refusals import Failed, Refused
from sampan.wire.containers import Mount
from sampan.wire.services import (
    EndpointChoice,
    GenericResource,
    Limit,
    PlacementRules,
    ResourceAmounts,
    ServiceContainer,
    ServiceMode,
    ServiceSpec,
    TaskRestart,
    TaskSpec,
    UpdatePolicy,
)

LEAST_NANO_CPUS = 1_000_000
LEAST_MEMORY_BYTES = 4 << 20
LONGEST_NAME = 63
_NAME = re.compile(r"[a-zA-Z0-9](?:[-_]*[A-Za-z0-9]+)*")
_CONSTRAINT_KEY = re.compile(r"[a-z_][a-z0-9\-_.]+", re.IGNORECASE)
_CONSTRAINT_VALUE = re.compile(r"[a-z0-9:\-_\s\.\*\(\)\?\+\[\]\\\^\$\|\/]+", re.IGNORECASE)


def check(spec: ServiceSpec) -> None:
    """Raises Refused (Failed for constraints, as Docker has it)."""
    _check_name(spec.Name)
    _check_task(spec.TaskTemplate)
    for word, policy in (("update", spec.UpdateConfig), ("rollback", spec.RollbackConfig)):
        if policy is not None:
            _check_policy(policy, word)
    if spec.EndpointSpec is not None:
        _check_endpoint(spec.EndpointSpec)
    _check_mode(spec.Mode, spec)


def _check_name(name: str) -> None:
    if not name:
        raise Refused("meta: name must be provided")
    if _NAME.fullmatch(name) is None:
        raise Refused("name must be valid as a DNS name component")
    if len(name) > LONGEST_NAME:
        raise Refused(f"name must be {LONGEST_NAME} characters or fewer")


def _check_task(task: TaskSpec) -> None:
    if task.Resources is not None:
        _check_amounts(task.Resources.Limits)
        _check_amounts(task.Resources.Reservations)
        reservations = task.Resources.Reservations
        if reservations is not None:
            _check_generic(reservations.GenericResources or ())
    if task.RestartPolicy is not None:
        _check_restart(task.RestartPolicy)
    if task.Placement is not None:
        _check_placement(task.Placement)
    if task.ContainerSpec is not None:
        _check_container(task.ContainerSpec)


def _check_amounts(amounts: Limit | ResourceAmounts | None) -> None:
    if amounts is None:
        return
    if amounts.NanoCPUs and amounts.NanoCPUs < LEAST_NANO_CPUS:
        raise Refused(f"invalid cpu value {amounts.NanoCPUs / 1e9:g}: Must be at least 0.001")
    if amounts.MemoryBytes and amounts.MemoryBytes < LEAST_MEMORY_BYTES:
        raise Refused(f"invalid memory value {amounts.MemoryBytes}: Must be at least 4MiB")


def _check_generic(resources: Iterable[GenericResource]) -> None:
    for resource in resources:
        named, discrete = resource.NamedResourceSpec, resource.DiscreteResourceSpec
        if (named is None) == (discrete is None) or (discrete is not None and discrete.Value < 0):
            raise Refused("invalid argument for resource: a kind with a number or a name is needed")


def _check_restart(policy: TaskRestart) -> None:
    for word, value in (("delay", policy.Delay), ("window", policy.Window)):
        if value is not None and value < 0:
            raise Refused(f"TaskSpec: restart-{word} cannot be negative")


def _check_placement(placement: PlacementRules) -> None:
    for constraint in placement.Constraints or ():
        check_constraint(constraint)


def check_constraint(text: str) -> None:
    """`key == value` or `key != value`. Raises Failed."""
    operator = next((each for each in ("==", "!=") if each in text), None)
    if operator is None:
        raise Failed("constraint expected one operator from ==, !=")
    key, value = (part.strip() for part in text.split(operator, 1))
    if _CONSTRAINT_KEY.fullmatch(key) is None:
        raise Failed(f"key '{key}' is invalid")
    if _CONSTRAINT_VALUE.fullmatch(value) is None:
        raise Failed(f"value '{value}' is invalid")


def _check_container(container: ServiceContainer) -> None:
    if not container.Image:
        raise Refused("ContainerSpec: image reference must be provided")
    try:
        parse_reference(container.Image)
    except InvalidArgument as error:
        raise Refused(
            f'ContainerSpec: "{container.Image}" is not a valid repository/tag'
        ) from error
    if container.StopGracePeriod is not None and container.StopGracePeriod < 0:
        raise Refused("ContainerSpec: StopGracePeriod cannot be negative")
    _check_mounts(container.Mounts or ())
    _check_targets(container)


def _check_mounts(mounts: Iterable[Mount]) -> None:
    seen: set[str] = set()
    for mount in mounts:
        if mount.Target in seen:
            raise Refused(f"ContainerSpec: duplicate mount point: {mount.Target}")
        seen.add(mount.Target)


def _check_targets(container: ServiceContainer) -> None:
    secrets: dict[str, str] = {}
    for secret in container.Secrets or ():
        if not secret.SecretID or not secret.SecretName:
            raise Refused("malformed secret reference")
        if secret.File is None:
            raise Refused("malformed secret reference, no target provided")
        _claim(secrets, secret.File.Name, secret.SecretName, "secret")
    configs: dict[str, str] = {}
    for config in container.Configs or ():
        if not config.ConfigID or not config.ConfigName:
            raise Refused("malformed config reference")
        if config.File is None and config.Runtime is None:
            raise Refused("malformed config reference, no target provided")
        if config.File is not None:
            _claim(configs, config.File.Name, config.ConfigName, "config")


def _claim(taken: dict[str, str], target: str, name: str, kind: str) -> None:
    if target in taken:
        raise Refused(
            f"{kind} references '{taken[target]}' and '{name}' have a conflicting target: "
            f"'{target}'"
        )
    taken[target] = name


def _check_policy(policy: UpdatePolicy, word: str) -> None:
    if policy.Delay < 0:
        raise Refused(f"TaskSpec: {word}-delay cannot be negative")
    if policy.Monitor < 0:
        raise Refused(f"TaskSpec: {word}-monitor cannot be negative")
    if not 0 <= policy.MaxFailureRatio <= 1:
        raise Refused(f"TaskSpec: {word}-maxfailureratio cannot be less than 0 or bigger than 1")


def _check_endpoint(endpoint: EndpointChoice) -> None:
    seen: set[tuple[str, int, str]] = set()
    for port in endpoint.Ports or ():
        if endpoint.Mode == "dnsrr" and port.PublishMode == "ingress":
            raise Refused(
                "EndpointSpec: port published with ingress mode can't be used with dnsrr mode"
            )
        key = (port.Protocol, port.PublishedPort, port.PublishMode)
        if port.PublishedPort and key in seen:
            raise Refused("EndpointSpec: duplicate published ports provided")
        seen.add(key)


def _check_mode(mode: ServiceMode, spec: ServiceSpec) -> None:
    replicas = mode.Replicated.Replicas if mode.Replicated is not None else None
    if replicas is not None and replicas < 0:
        raise Refused("Number of replicas must be non-negative")
    if mode.ReplicatedJob is not None:
        if (mode.ReplicatedJob.MaxConcurrent or 0) < 0:
            raise Refused("Maximum concurrent jobs must not be negative")
        if (mode.ReplicatedJob.TotalCompletions or 0) < 0:
            raise Refused("Total completed jobs must not be negative")
    if mode.ReplicatedJob is None and mode.GlobalJob is None:
        return
    if spec.UpdateConfig is not None:
        raise Refused("Jobs may not have an update config")
