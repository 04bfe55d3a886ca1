import pytest

from sampan.engine.containers.health_rules import (
    HEALTHY,
    STARTING,
    UNHEALTHY,
    Health,
    ProbeResult,
    after,
    check,
    pause_before_next_ns,
    probe_of,
)
from sampan.errors import InvalidArgument
from sampan.wire.containers import HealthConfig

SECOND = 10**9


def _probe(**fields):
    probe = probe_of(HealthConfig(Test=["CMD", "true"], **fields), None)
    assert probe is not None
    return probe


def _result(code: int, at_s: float = 0) -> ProbeResult:
    return ProbeResult(int(at_s * SECOND), int(at_s * SECOND), code, "")


def test_none_and_absent_mean_no_probe() -> None:
    assert probe_of(None, None) is None
    assert probe_of(HealthConfig(Test=["NONE"]), None) is None


def test_shell_form_uses_the_images_shell() -> None:
    config = HealthConfig(Test=["CMD-SHELL", "test -f /ok"])
    assert probe_of(config, None).argv == ("/bin/sh", "-c", "test -f /ok")
    assert probe_of(config, ["/bin/ash", "-c"]).argv[0] == "/bin/ash"


def test_defaults_are_dockers() -> None:
    probe = _probe()
    assert (probe.interval_ns, probe.timeout_ns, probe.retries) == (30 * SECOND, 30 * SECOND, 3)


def test_unhealthy_after_as_many_failures_in_a_row_as_retries() -> None:
    probe, health = _probe(Retries=2), Health()
    health = after(health, _result(1), probe, started_ns=0)
    assert (health.status, health.failing_streak) == (STARTING, 1)
    health = after(health, _result(1), probe, started_ns=0)
    assert (health.status, health.failing_streak) == (UNHEALTHY, 2)
    health = after(health, _result(0), probe, started_ns=0)
    assert (health.status, health.failing_streak) == (HEALTHY, 0)


def test_failures_inside_the_start_period_do_not_count() -> None:
    probe = _probe(Retries=1, StartPeriod=10 * SECOND)
    assert after(Health(), _result(1, at_s=5), probe, started_ns=0).status == STARTING
    assert after(Health(), _result(1, at_s=11), probe, started_ns=0).status == UNHEALTHY


def test_start_interval_applies_only_while_starting() -> None:
    probe = _probe(StartPeriod=10 * SECOND, StartInterval=SECOND)
    assert pause_before_next_ns(Health(), probe, started_ns=0, now_ns=SECOND) == SECOND
    healthy = Health(HEALTHY)
    assert pause_before_next_ns(healthy, probe, started_ns=0, now_ns=SECOND) == 30 * SECOND


def test_only_five_results_are_kept() -> None:
    health = Health()
    for number in range(7):
        health = after(health, _result(0, at_s=number), _probe(), started_ns=0)
    assert [result.start_ns // SECOND for result in health.log] == [2, 3, 4, 5, 6]


def test_too_short_durations_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="Interval in Healthcheck cannot be less than 1ms"):
        check(HealthConfig(Test=["CMD", "true"], Interval=1))
