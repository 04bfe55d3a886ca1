"""What several keys of a service say together, in one place for every converter.

Compose has two ways to say most limits (`mem_limit` and `deploy.resources.limits.memory`); the
loader checked that they don't contradict, and `deploy` counts first here.
"""

from sampan.compose.attributes import DeviceRequest, Healthcheck, Resource, Resources, VolumeMount
from sampan.compose.convert.report import Report
from sampan.compose.model import Project, Service
from sampan.lib.records import Record

LIMIT_KEYS = frozenset(("cpus", "cpu_period", "cpu_quota", "mem_limit", "mem_reservation", "gpus"))
TEST_WORDS = {"CMD", "CMD-SHELL"}
SECOND_NS = 1_000_000_000
# of Docker's health checks
INTERVAL_NS = TIMEOUT_NS = 30 * SECOND_NS
START_INTERVAL_NS = 5 * SECOND_NS
RETRIES = 3


class Limits(Record, frozen=True, kw_only=True):
    """0: none."""

    cpus: float = 0.0
    memory_bytes: int = 0
    reserved_cpus: float = 0.0
    reserved_bytes: int = 0
    gpus: int = 0


class Restart(Record, frozen=True, kw_only=True):
    """`condition`: no, any or on-failure; `stated` is false when the file doesn't say."""

    condition: str = "any"
    attempts: int | None = None
    stated: bool = False


def limits(service: Service, report: Report) -> Limits:
    given = service.deploy.resources if service.deploy else Resources()
    ceiling, floor = given.limits or Resource(), given.reservations or Resource()
    quota = service.cpu_quota / (service.cpu_period or 100_000) if service.cpu_quota > 0 else 0.0
    for name, each in (("limits", ceiling), ("reservations", floor)):
        key = f"deploy.resources.{name}"
        if each.pids:
            report.dropped(service.name, f"{key}.pids", "no limit on processes here")
        if each.generic_resources:
            report.dropped(service.name, f"{key}.generic_resources", "known to Swarm only")
    devices = [("deploy.resources.reservations.devices", each) for each in floor.devices]
    devices += [("gpus", each) for each in service.gpus]
    return Limits(
        cpus=float(ceiling.cpus or service.cpus or quota),
        memory_bytes=int(ceiling.memory or service.mem_limit),
        reserved_cpus=float(floor.cpus),
        reserved_bytes=int(floor.memory or service.mem_reservation),
        gpus=sum(_gpus(service.name, key, each, report) for key, each in devices),
    )


def _gpus(service: str, key: str, request: DeviceRequest, report: Report) -> int:
    if key != "gpus" and "gpu" not in request.capabilities:
        report.dropped(service, key, f"no device of the kind {', '.join(request.capabilities)}")
        return 0
    if request.device_ids:
        report.changed(service, f"{key}.device_ids", "so many devices are asked for, not these")
        return len(request.device_ids)
    if request.count < 1:
        report.changed(service, f"{key}.count", "all devices can't be asked for: one is")
    return max(request.count, 1)


def restart(service: Service) -> Restart:
    policy = service.deploy.restart_policy if service.deploy else None
    if policy is not None and policy.condition:
        condition = "no" if policy.condition == "none" else policy.condition
        return Restart(condition=condition, attempts=policy.max_attempts, stated=True)
    name, _, count = service.restart.partition(":")
    if name in {"no", "on-failure"}:
        attempts = int(count) if count.isdecimal() else None
        return Restart(condition=name, attempts=attempts, stated=True)
    return Restart(stated=bool(name))


def runs_to_the_end(project: Project, service: Service) -> bool:
    """Whether it's a piece of work rather than something that stays up."""
    if service.deploy and service.deploy.mode.endswith("-job"):
        return True
    awaited = any(
        (how := other.depends_on.get(service.name)) is not None
        and how.condition == "service_completed_successfully"
        for other in project.services.values()
    )
    policy = restart(service)
    alone = not service.ports and not service.expose
    return awaited or (policy.stated and policy.condition == "no" and alone)


def health_test(service: Service, report: Report) -> Healthcheck | None:
    """The health check when there is one that can be run elsewhere."""
    check = service.healthcheck
    if check is None or check.disable or check.test[:1] == ("NONE",):
        return None
    if not check.test:
        report.dropped(
            service.name, "healthcheck", "the test is the image's own, which isn't known here"
        )
        return None
    return check if check.test[0] in TEST_WORDS and len(check.test) > 1 else None


def lost_mount_settings(service: Service, mount: VolumeMount, report: Report) -> None:
    """What a single mount may be given and no other orchestrator has."""
    key = f"volumes.{mount.target}"
    report.fields(service.name, f"{key}.volume", mount.volume, {"labels": "label the volume"})
    report.fields(service.name, f"{key}.tmpfs", mount.tmpfs, {"mode": "no mode of the mount point"})
    report.fields(service.name, f"{key}.bind", mount.bind, {"recursive": "always recursive"})


def tmpfs_options(text: str) -> tuple[str, dict[str, str]]:
    """`/run:size=64m,ro` -> the path, and options by name."""
    path, _, options = text.partition(":")
    pairs = (each.partition("=") for each in options.split(",") if each)
    return path, {name: value for name, _, value in pairs}
