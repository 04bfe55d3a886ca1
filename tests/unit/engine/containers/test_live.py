import asyncio
import logging

import pytest

from sampan.engine.containers.live import Background, LiveContainers, NotRunning, Outcome


def test_waiters_are_told_once_and_forgotten():
    async def main():
        live = LiveContainers()
        exit_waiter, removal_waiter = live.wait_for_exit("a"), live.wait_for_removal("a")
        cancelled = live.wait_for_exit("a")
        cancelled.cancel()
        live.tell_exit("a", Outcome(3))
        assert (await exit_waiter).exit_code == 3
        assert not removal_waiter.done()
        live.tell_removal("a", Outcome(3, "disk"))
        assert (await removal_waiter).error == "disk"
        await asyncio.sleep(0)
        assert live._entries == {}

    asyncio.run(main())


def test_a_removal_ends_waits_for_an_exit():
    async def main():
        live = LiveContainers()
        waiter = live.wait_for_exit("a")
        live.tell_removal("a", Outcome(0))
        assert (await waiter).exit_code == 0

    asyncio.run(main())


def test_without_a_task_nothing_runs():
    with pytest.raises(NotRunning, match="container abc is not running"):
        LiveContainers().task("abc")


def test_background_finishes_what_must_be_and_cancels_the_rest(caplog):
    done = []

    async def important():
        await asyncio.sleep(0.05)
        done.append("important")

    async def broken():
        raise ZeroDivisionError

    async def main():
        background = Background()
        background.spawn(asyncio.sleep(60), what="idle")
        background.spawn(broken(), what="broken")
        caller = asyncio.ensure_future(background.finish(important(), what="important"))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await background.aclose()

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert done == ["important"]
    assert "what=broken" in caplog.text
