"""Stages side by side, told one after the other."""

import asyncio

from sampan.builder import progress
from sampan.engine.build_messages import Messages, told
from sampan.errors import InvalidArgument


def collect(work, *, quiet=False):
    async def run():
        return [one async for one in told(work, quiet=quiet)]

    return asyncio.run(run())


def started(number):
    return progress.StepStarted(number, 9, f"S{number}")


def texts(found):
    return [one["stream"] for one in found if "stream" in one]


def test_a_stage_waits_until_those_before_it_have_ended():
    async def work(messages: Messages):
        first, second, third = (messages.stage(number) for number in range(3))
        third(started(5))
        second(started(3))
        first(started(1))
        second(progress.StageFinished("sha256:b"))
        third(started(6))
        first(started(2))
        first(progress.StageFinished("sha256:a"))
        third(progress.StageFinished("sha256:c"))

    found = collect(work)
    shown = [one.get("stream", "")[5:6] or one["aux"]["ID"][-1] for one in found]
    assert "".join(shown) == "12a3b56c"


def test_of_a_failed_build_the_failing_stage_is_told():
    async def work(messages: Messages):
        first, second, third = (messages.stage(number) for number in range(3))
        first(started(1))
        second(started(3))
        third(started(5))
        third(progress.StepFailed("bad"))
        first(progress.StepFailed("CANCELED", cancelled=True))
        second(progress.StepFailed("CANCELED", cancelled=True))
        raise InvalidArgument("bad")

    found = collect(work)
    assert texts(found) == ["Step 1/9 : S1\n", "Step 5/9 : S5\n"]
    assert found[-1]["error"] == "bad"


def test_quiet_tells_only_the_failing_stage_too():
    async def work(messages: Messages):
        first, second = messages.stage(0), messages.stage(1)
        second(started(3))
        second(progress.StepFailed("bad"))
        first(progress.StepFailed("CANCELED", cancelled=True))
        raise InvalidArgument("bad")

    assert texts(collect(work, quiet=True)) == ["Step 3/9 : S3\n"]


def test_a_stage_that_is_held_back_and_writes_much_waits_for_its_turn():
    async def work(messages: Messages):
        first, second = messages.stage(0), messages.stage(1)

        async def write():
            for _ in range(10_000):
                second(progress.Output(b"x"))
                await second.ready()
            second(progress.StageFinished("sha256:b"))

        writing = asyncio.ensure_future(write())
        for _ in range(20_000):
            await asyncio.sleep(0)
        assert not writing.done()
        first(progress.StageFinished("sha256:a"))
        await writing

    assert len(texts(collect(work))) == 10_000
