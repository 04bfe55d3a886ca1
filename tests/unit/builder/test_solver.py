"""The solver: once per vertex, cache before work, progress in order."""

import asyncio
from dataclasses import dataclass, replace

import pytest

from sampan.builder import progress
from sampan.builder.cache_keys import cache_key
from sampan.builder.graph import StepLabel, Vertex
from sampan.builder.solver import Solver
from sampan.errors import NotFound

NEVER = progress.Reason(progress.Changed.NEVER_CACHED)


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
        return (
            cache_key(self.name, ",".join(one.identity for one in inputs)) if self.cached else None
        )

    async def run(self, inputs, emit):
        self.runs += 1
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        return Made(f"made:{self.name}")


class FakeCache:
    def __init__(self):
        self.known = {}
        self.names = []

    async def find(self, key, step):
        return self.known.get(key.digest)

    async def find_layer(self, apart):
        return self.known.get(apart)

    async def why(self, key, step):
        return (NEVER,)

    async def record(self, made):
        for one in made:
            if one.key.apart:
                self.known[one.key.apart] = f"layer of {one.result.identity}"
            self.known[one.key.digest] = one.result
            self.names.append(one.key.parts.kind)


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
    result = run(Solver(FakeCache(), use_cache=True).solve(top, Events()))
    assert result.identity == "made:top"
    assert base.runs == 1


def test_side_by_side_solvers_of_one_vertex_share_the_work():
    op = FakeOp("shared")
    vertex = Vertex(op)

    async def both():
        solver = Solver(FakeCache(), use_cache=True)
        await asyncio.gather(solver.solve(vertex, Events()), solver.solve(vertex, Events()))

    run(both())
    assert op.runs == 1


def test_second_build_uses_the_cache_and_says_so():
    cache, op = FakeCache(), FakeOp("a")

    async def build():
        events = Events()
        solver = Solver(cache, use_cache=True)
        await solver.solve(Vertex(op, label=StepLabel(1, 1, "A")), events)
        await solver.save()
        return events

    first, second = run(build()), run(build())
    assert op.runs == 1
    assert first == [
        progress.StepStarted(1, 1, "A"),
        progress.CacheMissed((NEVER,)),
        progress.StepResult("made:a"),
    ]
    assert second == [
        progress.StepStarted(1, 1, "A"),
        progress.CacheUsed(),
        progress.StepResult("made:a"),
    ]


def test_without_cache_everything_is_made_and_recorded():
    cache, op = FakeCache(), FakeOp("a")
    cache.known[cache_key("a", "").digest] = Made("old")

    async def build():
        solver = Solver(cache, use_cache=False)
        await solver.solve(Vertex(op), Events())
        await solver.save()

    run(build())
    assert cache.known[cache_key("a", "").digest].identity == "made:a"


def test_failure_keeps_what_was_made_before():
    cache = FakeCache()
    top = Vertex(FakeOp("bad", failure=ValueError("x")), (Vertex(FakeOp("good")),))

    async def build():
        solver = Solver(cache, use_cache=True)
        with pytest.raises(ValueError, match="x"):
            await solver.solve(top, Events())
        await solver.save()

    run(build())
    assert cache.names == ["good"]


def test_ops_without_key_are_never_cached():
    cache = FakeCache()

    async def build():
        solver = Solver(cache, use_cache=True)
        await solver.solve(Vertex(FakeOp("source", cached=False)), Events())
        await solver.save()

    run(build())
    assert cache.known == {}


def test_one_stage_can_be_made_anew():
    cache, op = FakeCache(), FakeOp("a")

    async def build(*, use_cache):
        events = Events()
        solver = Solver(cache, use_cache=True)
        await solver.solve(Vertex(op), events, use_cache=use_cache)
        await solver.save()
        return events

    run(build(use_cache=True))
    events = run(build(use_cache=False))
    assert op.runs == 2
    assert progress.CacheMissed((progress.Reason(progress.Changed.NO_CACHE),)) in events


class TalkingOp(FakeOp):
    async def run(self, inputs, emit):
        emit(progress.Notice("pulling"))
        return await super().run(inputs, emit)


def test_early_input_is_solved_once_and_told_within_the_step_that_needs_it():
    op = TalkingOp("source", cached=False)
    source = Vertex(op, shows_result=False)
    step = Vertex(FakeOp("copy"), (Vertex(FakeOp("base")), source), StepLabel(1, 1, "COPY"))

    async def build():
        events = Events()
        solver = Solver(FakeCache(), use_cache=True)
        await solver.begin(source)
        assert events == []
        await solver.solve(step, events)
        return events

    events = run(build())
    assert op.runs == 1
    told = events.index(progress.Notice("pulling"))
    assert events.index(progress.StepStarted(1, 1, "COPY")) < told


def test_early_failure_is_told_to_who_asks():
    source = Vertex(FakeOp("source", failure=ValueError("gone")))

    async def build():
        solver = Solver(FakeCache(), use_cache=True)
        await solver.begin(source)
        with pytest.raises(ValueError, match="gone"):
            await solver.solve(source, Events())

    run(build())


class LinkedOp(FakeOp):
    """Its layer is the same on every base; `gone`: it's removed before it is used."""

    gone = False

    async def key(self, inputs):
        return replace(await super().key(inputs), apart="apart")

    async def put_on(self, inputs, layer):
        if self.gone:
            raise NotFound("layer")
        return Made(f"{layer} on {inputs[0].identity}")


@pytest.mark.parametrize("gone", [False, True])
def test_a_layer_that_was_made_on_another_base_is_put_on_this_one(gone):
    cache = FakeCache()

    async def build(base, op):
        events = Events()
        solver = Solver(cache, use_cache=True)
        result = await solver.solve(Vertex(op, (Vertex(FakeOp(base)),)), events)
        await solver.save()
        return result.identity, progress.CacheUsed() in events

    assert run(build("one", LinkedOp("copy"))) == ("made:copy", False)
    op = LinkedOp("copy")
    op.gone = gone
    expected = ("made:copy", False) if gone else ("layer of made:copy on made:two", True)
    assert run(build("two", op)) == expected
    assert run(build("two", LinkedOp("copy"))) == (expected[0], True)  # by its own key
