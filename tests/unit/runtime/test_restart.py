import pytest

from sampan.errors import InvalidArgument
from sampan.runtime.restart import after_exit, at_daemon_start, check
from sampan.wire.containers import RestartSettings


def decide(name: str, **changes):
    facts = {
        "exit_code": 1,
        "run_s": 1.0,
        "restart_count": 0,
        "last_delay_s": 0.0,
        "stopped_by_user": False,
        "maximum": 0,
        **changes,
    }
    policy = RestartSettings(Name=name, MaximumRetryCount=facts.pop("maximum"))
    return after_exit(policy, **facts)


@pytest.mark.parametrize("name", ["", "no"])
def test_without_policy_nothing_restarts(name):
    assert not decide(name).restart


@pytest.mark.parametrize("name", ["always", "unless-stopped"])
def test_always_restarts_even_after_success_but_not_after_a_stop(name):
    assert decide(name, exit_code=0).restart
    assert not decide(name, stopped_by_user=True).restart


def test_on_failure_counts():
    assert decide("on-failure").restart
    assert not decide("on-failure", exit_code=0).restart
    assert decide("on-failure", maximum=3, restart_count=2).restart
    assert not decide("on-failure", maximum=3, restart_count=3).restart


def test_delay_doubles_up_to_a_minute_and_starts_anew_after_a_good_run():
    delay, seen = 0.0, []
    for _ in range(12):
        delay = decide("always", last_delay_s=delay).delay_s
        seen.append(delay)
    assert seen[:4] == [0.1, 0.2, 0.4, 0.8]
    assert seen[-1] == 60.0
    assert decide("always", last_delay_s=60.0, run_s=10.0).delay_s == 0.1


@pytest.mark.parametrize(
    ("name", "stopped", "exit_code", "expected"),
    [
        ("always", True, 0, True),
        ("unless-stopped", True, 0, False),
        ("unless-stopped", False, 0, True),
        ("on-failure", False, 0, False),
        ("on-failure", False, 137, True),
        ("no", False, 1, False),
    ],
)
def test_daemon_start(name, stopped, exit_code, expected):
    decision = at_daemon_start(
        RestartSettings(Name=name),
        was_running=False,
        exit_code=exit_code,
        restart_count=0,
        stopped_by_user=stopped,
    )
    assert decision.restart is expected


@pytest.mark.parametrize(
    ("policy", "auto_remove"),
    [
        (RestartSettings(Name="sometimes"), False),
        (RestartSettings(Name="always", MaximumRetryCount=1), False),
        (RestartSettings(Name="on-failure", MaximumRetryCount=-1), False),
        (RestartSettings(Name="always"), True),
    ],
)
def test_impossible_policies_are_refused(policy, auto_remove):
    with pytest.raises(InvalidArgument):
        check(policy, auto_remove=auto_remove)
