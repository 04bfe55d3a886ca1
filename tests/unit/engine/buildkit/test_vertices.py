"""From builder events to what BuildKit's clients show."""

import asyncio

from sampan.builder import progress
from sampan.engine.buildkit.status_log import StatusLog
from sampan.engine.buildkit.vertices import Vertices


def told(*events):
    """(name, cached, ended, error) of vertices; bytes of logs; (label, current, done) of lines."""

    async def run():
        log = StatusLog()
        vertices = Vertices(log, "ref")
        for event in events:
            if isinstance(event, str):
                vertices.fail(event)
            else:
                vertices(event)
        log.end()
        return [update async for update in log.watch()]

    found = []
    for update in asyncio.run(run()):
        found += [
            (one.name, one.cached, one.completed is not None, one.error) for one in update.vertexes
        ]
        found += [one.msg for one in update.logs]
        found += [(one.ID, one.current, one.completed is not None) for one in update.statuses]
        found += [one.short for one in update.warnings]
    return found


def test_steps_begin_log_and_end():
    assert told(
        progress.StepStarted(1, 3, "FROM x", "[1/2]"),
        progress.StepResult("sha256:1"),
        progress.StepStarted(2, 3, "ENV a=b"),
        progress.CacheUsed(),
        progress.StepResult("sha256:2"),
        progress.StepStarted(3, 3, "RUN y", "[2/2]"),
        progress.Output(b"out\n"),
        progress.StepResult("sha256:3"),
    ) == [
        ("[1/2] FROM x", False, False, ""),
        ("[1/2] FROM x", False, True, ""),
        ("[2/2] RUN y", False, False, ""),
        b"out\n",
        ("[2/2] RUN y", False, True, ""),
    ]


def test_cached_and_failed_steps():
    assert told(
        progress.StepStarted(1, 2, "COPY a b", "[1/2]"),
        progress.CacheUsed(),
        progress.StepResult("sha256:1"),
        progress.StepStarted(2, 2, "RUN y", "[2/2]"),
        "it broke",
    ) == [
        ("[1/2] COPY a b", False, False, ""),
        ("[1/2] COPY a b", True, True, ""),
        ("[2/2] RUN y", False, False, ""),
        ("[2/2] RUN y", False, True, "it broke"),
    ]


def test_pulls_and_warnings():
    layer = {"id": "abc", "status": "Downloading", "progressDetail": {"current": 5, "total": 9}}
    assert told(
        progress.Notice("careful", is_warning=True),
        progress.StepStarted(1, 1, "FROM x", "[1/1]"),
        progress.Pulling(layer),
        progress.Pulling({"id": "abc", "status": "Pull complete"}),
        progress.Pulling({"status": "Digest: x"}),
    ) == [
        b"careful",
        ("[1/1] FROM x", False, False, ""),
        ("abc", 5, False),
        ("abc", 0, True),
    ]


def test_a_log_is_read_from_its_start_by_everybody():
    async def run():
        log = StatusLog()
        early = asyncio.ensure_future(collect(log))
        await asyncio.sleep(0)
        Vertices(log, "r").begin("a").done()
        log.end()
        return len(await early), len(await collect(log))

    async def collect(log):
        return [update async for update in log.watch()]

    assert asyncio.run(run()) == (2, 2)


def test_writers_wait_for_a_slow_watcher_and_nothing_of_it_is_lost():
    async def run():
        log = StatusLog()
        vertex = Vertices(log, "r").begin("a")
        watching = log.watch()
        await anext(watching)
        for _ in range(20):
            vertex.output(b"x" * (64 << 10))
        waiting = asyncio.ensure_future(log.ready())
        await asyncio.sleep(0)
        assert not waiting.done()
        seen = 0
        while not waiting.done():
            seen += len((await anext(watching)).logs[0].msg)
            await asyncio.sleep(0)
        await watching.aclose()
        return seen

    assert asyncio.run(run()) >= 64 << 10


def test_without_a_watcher_the_oldest_output_goes():
    async def run():
        log = StatusLog()
        vertex = Vertices(log, "r").begin("a")
        for number in range(200):
            vertex.output(bytes([number]) * (64 << 10))
        await log.ready()
        log.end()
        return [update.logs[0].msg[0] async for update in log.watch()]

    kept = asyncio.run(run())
    assert kept == list(range(200 - len(kept), 200))
    assert 10 < len(kept) < 100
