"""Solves vertices: inputs first, then the cache, then the operation.

Each vertex is solved once, however many ask for it, also when they ask at the same time: stages
that don't need each other may be solved side by side. Only what is asked for is solved. What was
made is recorded in the cache when the solver is closed or fails, in one write.
"""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from sampan.builder import progress
from sampan.builder.graph import Result, Vertex
from sampan.builder.progress import Emit


class Cache(Protocol):
    """Results by content-addressed key. May forget anything at any time."""

    async def find(self, key: str) -> Result | None: ...

    async def record(self, results: Mapping[str, Result]) -> None: ...


class Solver:
    """One per build. `use_cache` false: everything is made anew, and recorded."""

    def __init__(self, cache: Cache, emit: Emit, *, use_cache: bool) -> None:
        self._cache = cache
        self._emit = emit
        self._use_cache = use_cache
        self._solved: dict[Vertex, asyncio.Future[Result]] = {}
        self._made: dict[str, Result] = {}

    async def solve(self, vertex: Vertex) -> Result:
        known = self._solved.get(vertex)
        if known is not None:
            return await asyncio.shield(known)
        future = self._solved[vertex] = asyncio.get_running_loop().create_future()
        try:
            result = await self._solve(vertex)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                future.cancel()
            else:
                future.set_exception(error)
                future.exception()  # the raise below tells it; nobody else may be waiting
            raise
        future.set_result(result)
        return result

    async def save(self) -> None:
        """Record what was made so far."""
        made, self._made = self._made, {}
        if made:
            await self._cache.record(made)

    async def _solve(self, vertex: Vertex) -> Result:
        inputs = [await self.solve(vertex.inputs[0])] if vertex.inputs else []
        if vertex.label is not None:
            self._emit(vertex.label.started())
        for other in vertex.inputs[1:]:
            inputs.append(await self.solve(other))  # noqa: PERF401 - awaited one by one
        key = await vertex.op.key(inputs)
        result = await self._cache.find(key) if key is not None and self._use_cache else None
        if result is not None:
            self._emit(progress.CacheUsed())
        else:
            result = await vertex.op.run(inputs, self._emit)
            if key is not None:
                self._made[key] = result
        if vertex.shows_result:
            self._emit(progress.StepResult(result.identity))
        return result
