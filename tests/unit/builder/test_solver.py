"""The solver: once per vertex, cache before work, progress in order."""

import asyncio
from dataclasses import dataclass

import pytest

from sampan.builder import progress
from sampan.builder.graph import StepLabel, Vertex
from sampan.builder.solver import Solver


@dataclass(frozen=True)
class Made:
    identity: str


class FakeOp:
    def __init__(self, name, *, failure=None, cached=True):
        self.name = name
        self.failure = failure
        self.cached = cached
        self.runs = 0

    async def key(self, inputs):
        parts = ",".join(one.identity for one in inputs)
        return f"{self.name}({parts})" if self.cached else None

    async def run(self, inputs, emit):
        self.runs += 1
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        return Made(f"made:{self.name}")


class FakeCache:
    def __init__(self):
        self.known = {}

    async def find(self, key):
        return self.known.get(key)

    async def record(self, results):
        self.known.update(results)


class Events(list):
    def __call__(self, event):
        self.append(event)

    async def ready(self):
        return None


def run(coroutine):
    return asyncio.run(coroutine)


def test_solves_inputs_first_and_each_once():
    base = FakeOp("base")
    vertex = Vertex(base)
    top = Vertex(FakeOp("top"), (Vertex(FakeOp("left"), (vertex,)), vertex))
    result = run(Solver(FakeCache(), Events(), use_cache=True).solve(top))
    assert result.identity == "made:top"
    assert base.runs == 1


def test_side_by_side_solvers_of_one_vertex_share_the_work():
    op = FakeOp("shared")
    vertex = Vertex(op)

    async def both():
        solver = Solver(FakeCache(), Events(), use_cache=True)
        await asyncio.gather(solver.solve(vertex), solver.solve(vertex))

    run(both())
    assert op.runs == 1


def test_second_build_uses_the_cache_and_says_so():
    cache, op = FakeCache(), FakeOp("a")

    async def build():
        events = Events()
        solver = Solver(cache, events, use_cache=True)
        await solver.solve(Vertex(op, label=StepLabel(1, 1, "A")))
        await solver.save()
        return events

    first, second = run(build()), run(build())
    assert op.runs == 1
    assert first == [progress.StepStarted(1, 1, "A"), progress.StepResult("made:a")]
    assert second == [
        progress.StepStarted(1, 1, "A"),
        progress.CacheUsed(),
        progress.StepResult("made:a"),
    ]


def test_without_cache_everything_is_made_and_recorded():
    cache, op = FakeCache(), FakeOp("a")
    cache.known["a()"] = Made("old")

    async def build():
        solver = Solver(cache, Events(), use_cache=False)
        await solver.solve(Vertex(op))
        await solver.save()

    run(build())
    assert cache.known["a()"].identity == "made:a"


def test_failure_keeps_what_was_made_before():
    cache = FakeCache()
    top = Vertex(FakeOp("bad", failure=ValueError("x")), (Vertex(FakeOp("good")),))

    async def build():
        solver = Solver(cache, Events(), use_cache=True)
        with pytest.raises(ValueError, match="x"):
            await solver.solve(top)
        await solver.save()

    run(build())
    assert list(cache.known) == ["good()"]


def test_ops_without_key_are_never_cached():
    cache = FakeCache()

    async def build():
        solver = Solver(cache, Events(), use_cache=True)
        await solver.solve(Vertex(FakeOp("source", cached=False)))
        await solver.save()

    run(build())
    assert cache.known == {}
