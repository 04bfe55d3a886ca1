import asyncio
from dataclasses import replace

from sampan.engine.containers.record import State
from sampan.engine.containers.restart_policy import Restarts
from sampan.lib.gotime import NANOS
from sampan.wire.containers import HostSettings, RestartSettings
from unit.engine.containers.samples import container

RUNNING = State(pid=1, started_ns=100 * NANOS)


def box(policy, **facts):
    host = HostSettings(RestartPolicy=RestartSettings(Name=policy))
    return replace(container(host=host), state=replace(RUNNING, **facts))


def test_delays_double_and_begin_anew_after_a_good_run():
    restarts, one = Restarts(), box("always")
    soon, late = 101 * NANOS, 120 * NANOS
    delays = [restarts.decide(one, exit_code=1, now_ns=soon).delay_s for _ in range(3)]
    assert delays == [0.1, 0.2, 0.4]
    assert restarts.decide(one, exit_code=1, now_ns=late).delay_s == 0.1


def test_a_users_stop_and_a_users_restart_are_respected():
    restarts = Restarts()
    assert not restarts.decide(box("always", manually_stopped=True), exit_code=0, now_ns=1).restart
    one = box("always")
    restarts.hold(one.id)
    assert not restarts.decide(one, exit_code=0, now_ns=1).restart
    restarts.let_go(one.id)
    assert restarts.decide(one, exit_code=0, now_ns=1).restart


def test_a_pause_can_be_called_off():
    async def main():
        restarts, one = Restarts(), box("always")
        waiting = asyncio.ensure_future(restarts.pause(one.id, 60))
        await asyncio.sleep(0)
        restarts.call_off(one.id)
        assert await waiting is False
        assert await restarts.pause(one.id, 0.01) is True

    asyncio.run(main())
