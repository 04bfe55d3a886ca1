"""The build cache: what steps made, by the key of what they were made of.

    documents of kind "buildcache"
        <key>           Entry: the image that came out, when, how often it was used, its inputs
        at:<place>      the key that a step of a Dockerfile had the last time (see Step.places)
        result:<image>  this image was a build's result: it is the user's, not the cache's

Only entries that our own builder wrote count. What an image says of itself (its history, its
parent) never makes it the result of a step, wherever it came from.

The images themselves are ordinary ones: when one has been removed, its entry is dead and goes away
when it is met, or by pruning. That an entry was used is kept in memory until the next write: a
build that is cached from end to end writes nothing.

Entries that were used since the oldest running build began are in use, and stay.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

import msgspec

from sampan.builder.cache_keys import Key, Step
from sampan.builder.graph import Result
from sampan.builder.misses import Before, reasons, remembered
from sampan.builder.progress import Reason
from sampan.builder.results import State
from sampan.errors import InvalidArgument, NotFound
from sampan.lib import gotime
from sampan.lib.workers import Workers
from sampan.oci.digest import Digest
from sampan.store.image_records import LocalLayer, top_layer
from sampan.store.images import ImageStore
from sampan.store.metadata import Documents

_AT, _APART, _RESULT = "at:", "apart:", "result:"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One finished step. `image` is what it made."""

    image: Digest
    created_ns: int
    used_ns: int
    uses: int = 0
    before: Before


@dataclass(frozen=True, slots=True)
class Made:
    """A step that was done in this build."""

    key: Key
    step: Step
    result: Result


class Cache(Protocol):
    """Results by content-addressed key. May forget anything at any time."""

    async def find(self, key: Key, step: Step) -> Result | None: ...

    async def find_layer(self, apart: str) -> LocalLayer | None:
        """The layer of a step with this `Key.apart`, whatever state that one continued."""
        ...

    async def why(self, key: Key, step: Step) -> tuple[Reason, ...]:
        """What makes this step another than it was the last time; never empty."""
        ...

    async def record(self, made: Sequence[Made]) -> None: ...

    def running(self) -> AbstractContextManager[None]:
        """Around a build: what it uses meanwhile stays."""
        ...


class BuildCache:
    """See Cache. `documents` is of kind "buildcache". One for the daemon."""

    def __init__(self, documents: Documents, images: ImageStore, workers: Workers) -> None:
        self._documents = documents
        self._images = images
        self._workers = workers
        self._lock = threading.RLock()  # an entry is met, or removed with its image
        self._running: dict[int, int] = {}  # builds: when they began
        self._used: dict[str, tuple[int, int]] = {}  # key: (when last, how often since)
        self._places: dict[str, bytes] = {}  # changes that aren't written yet

    # --- builds -----------------------------------------------------------------------------

    @contextmanager
    def running(self) -> Iterator[None]:
        """Around a build."""
        token = object()
        with self._lock:
            self._running[id(token)] = gotime.now_ns()
        try:
            yield
        finally:
            with self._lock:
                del self._running[id(token)]

    async def find(self, key: Key, step: Step) -> Result | None:
        return await self._workers.run(self._find, key, step)

    async def find_layer(self, apart: str) -> LocalLayer | None:
        return await self._workers.run(self._find_layer, apart)

    async def why(self, key: Key, step: Step) -> tuple[Reason, ...]:
        return await self._workers.run(self._why, key, step)

    async def record(self, made: Sequence[Made]) -> None:
        await self._workers.run(self._record, made)

    async def keep_result(self, image: Digest) -> None:
        """A build has ended with this image."""
        await self._workers.run(self._keep_result, image)

    # --- its owners: all blocking -----------------------------------------------------------

    def entries(self) -> dict[str, Entry]:
        """By key; some images may be gone."""
        self._write_uses()
        return {
            key: entry
            for key, body in self._documents.all()
            if ":" not in key and (entry := _decode(body)) is not None
        }

    def results(self) -> frozenset[str]:
        """Images that builds ended with."""
        return frozenset(
            key.removeprefix(_RESULT) for key, _ in self._documents.all() if key.startswith(_RESULT)
        )

    def in_use(self, entry: Entry) -> bool:
        with self._lock:
            return any(entry.used_ns >= begun_ns for begun_ns in self._running.values())

    def forget_unused(self, key: str, then: Callable[[Entry], None]) -> bool:
        """Remove one entry, unless a build has just used it. `then` may remove its image: no build
        meets the entry between the two."""
        with self._lock:
            entry = self.entry(key)
            if entry is None or key in self._used or self.in_use(entry):
                return False
            self._documents.remove(key)
            then(entry)
            return True

    def entry(self, key: str) -> Entry | None:
        try:
            return _decode(self._documents.get(key))
        except NotFound:
            return None

    def forget(self, keys: Iterable[str]) -> None:
        """Remove entries, with what remembers them."""
        gone = set(keys)
        with self._lock:
            for key in gone:
                self._used.pop(key, None)
        for key in gone:
            self._documents.remove(key)

    def tidy(self) -> int:
        """Drop entries whose images are gone, and what only they needed; returns how many."""
        alive = {image.id for image in self._images.list()}
        entries = self.entries()
        dead = {key for key, entry in entries.items() if entry.image not in alive}
        self.forget(dead)
        for name, body in self._documents.all():
            lost_place = name.startswith((_AT, _APART)) and (
                body.decode() not in entries.keys() - dead
            )
            lost_result = name.startswith(_RESULT) and name.removeprefix(_RESULT) not in alive
            unreadable = ":" not in name and name not in entries
            if lost_place or lost_result or unreadable:
                self._documents.remove(name)
        return len(dead)

    # --- in a worker ------------------------------------------------------------------------

    def _find(self, key: Key, step: Step) -> State | None:
        state = self._used_state(key.digest)
        if state is not None and step.text:
            self._note_places(key, step)
        return state

    def _find_layer(self, apart: str) -> LocalLayer | None:
        state = self._used_state(self._place(f"{_APART}{apart}"))
        return None if state is None or state.image is None else top_layer(state.image)

    def _used_state(self, digest: str) -> State | None:
        with self._lock:
            entry = self.entry(digest)
            if entry is None:
                return None
            try:
                state = State(self._images.get(entry.image))
            except NotFound:
                self.forget([digest])
                return None
            _, count = self._used.get(digest, (0, 0))
            self._used[digest] = (gotime.now_ns(), count + 1)
        return state

    def _note_places(self, key: Key, step: Step) -> None:
        """Seldom another than the last time: then it is written with the next record."""
        for place in step.places():
            name = f"{_AT}{place}"
            if self._place(name) != key.digest:
                with self._lock:
                    self._places[name] = key.digest.encode()

    def _place(self, name: str) -> str:
        with self._lock:
            waiting = self._places.get(name)
        if waiting is not None:
            return waiting.decode()
        try:
            return self._documents.get(name).decode()
        except NotFound:
            return ""

    def _why(self, key: Key, step: Step) -> tuple[Reason, ...]:
        before = None
        for place in step.places():
            last = self._place(f"{_AT}{place}")
            entry = self.entry(last) if last else None
            if entry is not None:
                before = entry.before
                break
        return reasons(before, remembered(key, step))

    def _record(self, made: Sequence[Made]) -> None:
        now_ns = gotime.now_ns()
        bodies: dict[str, bytes] = {}
        for one in made:
            if not isinstance(one.result, State) or one.result.image is None:
                continue
            entry = Entry(
                image=one.result.image.id,
                created_ns=now_ns,
                used_ns=now_ns,
                before=remembered(one.key, one.step),
            )
            bodies[one.key.digest] = msgspec.json.encode(entry)
            if one.key.apart:
                bodies[f"{_APART}{one.key.apart}"] = one.key.digest.encode()
            if one.step.text:
                for place in one.step.places():
                    bodies[f"{_AT}{place}"] = one.key.digest.encode()
        self._write_uses(bodies)

    def _keep_result(self, image: Digest) -> None:
        name = f"{_RESULT}{image}"
        try:
            self._documents.get(name)
        except NotFound:
            self._documents.put(name, b"")

    def _write_uses(self, also: Mapping[str, bytes] | None = None) -> None:
        with self._lock:
            used, self._used = self._used, {}
            places, self._places = self._places, {}
        bodies = dict(places)
        for key, (when_ns, count) in used.items():
            entry = self.entry(key)
            if entry is not None:
                entry = msgspec.structs.replace(entry, used_ns=when_ns, uses=entry.uses + count)
                bodies[key] = msgspec.json.encode(entry)
        bodies.update(also or {})
        if bodies:
            self._documents.put_many(bodies)


def _decode(body: bytes) -> Entry | None:
    """None for what an older version wrote."""
    try:
        return msgspec.json.decode(body, type=Entry)
    except msgspec.MsgspecError:
        return None


class CacheFrom:
    """The cache as `--cache-from` narrows it: only steps of the images named, or of their parents.

    Images that are named but not here are passed over; if none is left, nothing is found.
    """

    def __init__(
        self, cache: BuildCache, names: Sequence[str], images: ImageStore, workers: Workers
    ) -> None:
        self._cache = cache
        self._names = names
        self._images = images
        self._workers = workers
        self._allowed: frozenset[str] | None = None

    async def find(self, key: Key, step: Step) -> Result | None:
        if self._allowed is None:
            self._allowed = await self._workers.run(self._chains)
        found = await self._cache.find(key, step)
        return found if found is not None and found.identity in self._allowed else None

    async def find_layer(self, apart: str) -> LocalLayer | None:
        """Nothing: whose layer it is can't be told from the images named."""
        del apart
        return None

    async def why(self, key: Key, step: Step) -> tuple[Reason, ...]:
        return await self._cache.why(key, step)

    async def record(self, made: Sequence[Made]) -> None:
        await self._cache.record(made)

    def running(self) -> AbstractContextManager[None]:
        return self._cache.running()

    def _chains(self) -> frozenset[str]:
        found: set[str] = set()
        for name in self._names:
            try:
                image = self._images.resolve(name)
                found.add(image.id)
                while image.parent is not None:
                    image = self._images.get(image.parent)
                    found.add(image.id)
            except (NotFound, InvalidArgument):
                continue
        return frozenset(found)
