"""Health checks, the deciding part: what to probe, when, and what a result means (pure).

Defaults and limits are Docker's (moby daemon/health.go): interval and timeout 30 s, start interval
5 s, three retries, 4096 bytes of output and five results kept. Durations are nanoseconds.

    starting --probe ok--> healthy --`retries` failures in a row--> unhealthy --probe ok--> healthy
    starting --`retries` failures outside the start period--> unhealthy
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sampan.errors import InvalidArgument
from sampan.lib.gotime import NANOS
from sampan.wire.containers import HealthConfig

INTERVAL_NS = 30 * NANOS
TIMEOUT_NS = 30 * NANOS
START_INTERVAL_NS = 5 * NANOS
RETRIES = 3
MINIMUM_NS = 1_000_000
KEPT_RESULTS = 5
KEPT_OUTPUT_BYTES = 4096

NONE, STARTING, HEALTHY, UNHEALTHY = "none", "starting", "healthy", "unhealthy"


@dataclass(frozen=True, slots=True)
class Probe:
    """What to run and when, with the defaults filled in."""

    argv: tuple[str, ...]
    interval_ns: int
    timeout_ns: int
    start_period_ns: int
    start_interval_ns: int
    retries: int


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """`exit_code` -1 means that the probe couldn't run or took too long."""

    start_ns: int
    end_ns: int
    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class Health:
    """`log` holds the last results, oldest first."""

    status: str = STARTING
    failing_streak: int = 0
    log: tuple[ProbeResult, ...] = ()


def probe_of(config: HealthConfig | None, shell: Sequence[str] | None) -> Probe | None:
    """The probe that a container's configuration asks for; None for none or `NONE`."""
    if config is None or not config.Test or config.Test[0] == "NONE":
        return None
    kind, *words = config.Test
    if kind == "CMD-SHELL":
        argv = (*(shell or ("/bin/sh", "-c")), *words)
    elif kind == "CMD":
        argv = tuple(words)
    else:
        raise InvalidArgument(f"Unknown healthcheck type in config: {kind}")
    return Probe(
        argv=argv,
        interval_ns=config.Interval or INTERVAL_NS,
        timeout_ns=config.Timeout or TIMEOUT_NS,
        start_period_ns=config.StartPeriod,
        start_interval_ns=config.StartInterval or START_INTERVAL_NS,
        retries=config.Retries or RETRIES,
    )


def check(config: HealthConfig | None) -> None:
    """Raises InvalidArgument for durations that Docker refuses."""
    if config is None:
        return
    for name in ("Interval", "Timeout", "StartPeriod", "StartInterval"):
        value = getattr(config, name)
        if value != 0 and value < MINIMUM_NS:
            raise InvalidArgument(f"{name} in Healthcheck cannot be less than 1ms")
    if config.Retries < 0:
        raise InvalidArgument("Retries in Healthcheck cannot be negative")


def after(health: Health, result: ProbeResult, probe: Probe, *, started_ns: int) -> Health:
    """The health after one more result."""
    log = (*health.log, result)[-KEPT_RESULTS:]
    if result.exit_code == 0:
        return Health(HEALTHY, 0, log)
    in_start_period = result.start_ns - started_ns < probe.start_period_ns
    if health.status == STARTING and in_start_period:
        return Health(STARTING, health.failing_streak, log)
    streak = health.failing_streak + 1
    status = UNHEALTHY if streak >= probe.retries else health.status
    return Health(status, streak, log)


def pause_before_next_ns(health: Health, probe: Probe, *, started_ns: int, now_ns: int) -> int:
    """How long to wait before the next probe: shorter while starting inside the start period."""
    if health.status == STARTING and now_ns - started_ns < probe.start_period_ns:
        return min(probe.start_interval_ns, probe.interval_ns)
    return probe.interval_ns
