"""Solves vertices: inputs first, then the cache, then the operation.

    solve(vertex)     its first input -> "started" -> the other inputs -> key -> cache or operation

Each vertex is solved once, however many ask for it, also when they ask at the same time: stages
that don't need each other are solved side by side. Only what is asked for is solved. What was made
is recorded in the cache when the solver is saved, in one write.

Inputs beside the one that a step continues don't wait for the steps before it: `begin` solves them
early. What they tell is held back until their step has started.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from sampan.builder import progress
from sampan.builder.cache import Cache, Made
from sampan.builder.cache_keys import Key, Step
from sampan.builder.graph import LayerOp, Op, Result, Vertex
from sampan.builder.progress import Changed, Emit, Reason
from sampan.errors import NotFound

_NOWHERE = Step()


class Solver:
    """One per build. `use_cache` false: everything is made anew, and recorded."""

    def __init__(self, cache: Cache, *, use_cache: bool) -> None:
        self._cache = cache
        self._use_cache = use_cache
        self._solved: dict[Vertex, asyncio.Future[Result]] = {}
        self._early: dict[Vertex, _Held] = {}
        self._made: list[Made] = []
        self.steps: list[Made] = []  # all that have a key, cached or done

    async def solve(
        self, vertex: Vertex, emit: Emit, step: Step = _NOWHERE, *, use_cache: bool = True
    ) -> Result:
        """`step` is the vertex's place in its Dockerfile; `use_cache` false: this one anew."""
        known = self._solved.get(vertex)
        if known is not None:
            if vertex in self._early:
                self._early[vertex].release(emit)
            return await asyncio.shield(known)
        return await self._first(vertex, emit, step, use_cache=use_cache)

    async def begin(self, vertex: Vertex) -> None:
        """Solve a vertex that somebody will ask for. What is wrong with it is told to them."""
        if vertex not in self._solved:
            held = self._early[vertex] = _Held()
            with suppress(Exception):  # the future has it
                await self._first(vertex, held, _NOWHERE, use_cache=True)

    async def save(self) -> None:
        """Record what was made so far."""
        made, self._made = self._made, []
        if made:
            await self._cache.record(made)

    async def _first(self, vertex: Vertex, emit: Emit, step: Step, *, use_cache: bool) -> Result:
        future = self._solved[vertex] = asyncio.get_running_loop().create_future()
        try:
            result = await self._solve(vertex, emit, step, use_cache=use_cache and self._use_cache)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                future.cancel()
            else:
                future.set_exception(error)
                future.exception()  # the raise below tells it; nobody else may be waiting
            raise
        future.set_result(result)
        return result

    async def _solve(self, vertex: Vertex, emit: Emit, step: Step, *, use_cache: bool) -> Result:
        inputs = [await self.solve(vertex.inputs[0], emit)] if vertex.inputs else []
        if vertex.label is not None:
            emit(vertex.label.started())
        for other in vertex.inputs[1:]:
            inputs.append(await self.solve(other, emit))  # noqa: PERF401 - begun already
        key = await vertex.op.key(inputs)
        result = None
        if key is not None and not use_cache:
            emit(progress.CacheMissed((Reason(Changed.NO_CACHE),)))
        elif key is not None:
            result = await self._found(key, step) or await self._put_on(
                vertex.op, inputs, key, step
            )
            missed = () if result else await self._cache.why(key, step)
            emit(progress.CacheMissed(missed) if missed else progress.CacheUsed())
        if result is None:
            result = await vertex.op.run(inputs, emit)
            self._note(key, step, result)
        if vertex.shows_result:
            emit(progress.StepResult(result.identity))
        return result

    async def _found(self, key: Key, step: Step) -> Result | None:
        result = await self._cache.find(key, step)
        if result is not None:
            self.steps.append(Made(key, step, result))
        return result

    async def _put_on(
        self, op: Op, inputs: Sequence[Result], key: Key, step: Step
    ) -> Result | None:
        """With the layer that the step made on another state; None: there is none."""
        layer = await self._cache.find_layer(key.apart) if key.apart else None
        if layer is None or not isinstance(op, LayerOp):
            return None
        try:
            result = await op.put_on(inputs, layer)
        except NotFound:
            return None
        self._note(key, step, result)
        return result

    def _note(self, key: Key | None, step: Step, result: Result) -> None:
        if key is not None:
            made = Made(key, step, result)
            self.steps.append(made)
            self._made.append(made)


class _Held:
    """Keeps what an early input tells until somebody asks for it, then passes everything on."""

    def __init__(self) -> None:
        self._kept: list[progress.Event] = []
        self._emit: Emit | None = None

    def __call__(self, event: progress.Event) -> None:
        if self._emit is None:
            self._kept.append(event)
        else:
            self._emit(event)

    async def ready(self) -> None:
        if self._emit is not None:
            await self._emit.ready()

    def release(self, emit: Emit) -> None:
        if self._emit is None:
            self._emit = emit
            kept, self._kept = self._kept, []
            for event in kept:
                emit(event)
