"""Who gets which cache directory, and what removing does."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from sampan.builder.cache_mounts import CacheMounts, CacheWish
from sampan.builder.dockerfile.run_mounts import Sharing
from sampan.lib.workers import Workers

SHARED, PRIVATE, LOCKED = Sharing.SHARED, Sharing.PRIVATE, Sharing.LOCKED


def caches(tmp_path):
    made = CacheMounts(tmp_path / "caches", Workers())
    made.clean()
    return made


def wish(name="x", sharing=SHARED, **more):
    return CacheWish(id=name, sharing=sharing, **more)


@pytest.mark.parametrize("name", ["../../x", "/etc", "", ".", "a/b", "x\0y", "record.json"])
def test_no_id_is_a_path(tmp_path, name):
    async def use():
        made = caches(tmp_path)
        async with made.acquire(wish(name)) as path:
            (path / "f").write_text("x")
        return path, await made.list()

    path, [info] = asyncio.run(use())
    assert path.parent.parent == tmp_path / "caches"
    assert path.parent.name == info.key
    assert info.id == name
    assert [entry.name for entry in tmp_path.iterdir()] == ["caches"]


def test_namespace_and_origin_tell_caches_apart():
    keys = {wish().key, wish(namespace="n").key, wish(origin="o").key, wish("y").key}
    assert len(keys) == 4


async def _paths(made, *sharings):
    """Of steps that run at the same time."""
    async with AsyncExitStack() as stack:
        return [
            (await stack.enter_async_context(made.acquire(wish(sharing=one)))).name
            for one in sharings
        ]


@pytest.mark.parametrize(
    ("sharings", "expected"),
    [
        ((SHARED, SHARED), ["0", "0"]),
        ((PRIVATE, PRIVATE), ["0", "1"]),
        ((PRIVATE, SHARED, SHARED), ["0", "1", "1"]),
        ((SHARED, PRIVATE), ["0", "1"]),
        ((LOCKED, PRIVATE), ["0", "1"]),
    ],
)
def test_parallel_steps(tmp_path, sharings, expected):
    assert asyncio.run(_paths(caches(tmp_path), *sharings)) == expected


@pytest.mark.parametrize("sharing", [LOCKED, SHARED])
def test_a_locked_cache_makes_others_wait(tmp_path, sharing):
    order = []

    async def use():
        made = caches(tmp_path)
        held = asyncio.Event()

        async def first():
            async with made.acquire(wish(sharing=LOCKED)):
                held.set()
                await asyncio.sleep(0)
                order.append("first ends")

        async def second():
            await held.wait()
            async with made.acquire(wish(sharing=sharing)):
                order.append("second begins")

        await asyncio.gather(first(), second())

    asyncio.run(use())
    assert order == ["first ends", "second begins"]


def test_initial_content_owner_and_mode(tmp_path):
    async def use():
        made = caches(tmp_path)
        seeded = wish(owner=(7, 8), mode=0o751)
        for content in ("one", "two"):
            async with made.acquire(seeded, lambda path, text=content: _seed(path, text)) as path:
                pass
        return path

    path = asyncio.run(use())
    assert (path / "f").read_text() == "one", "only a new cache is filled"
    found = path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (7, 8, 0o751)


def _seed(path, text):
    (path / "f").write_text(text)


def test_a_failed_filling_leaves_nothing(tmp_path):
    async def use():
        def fill(path):
            (path / "f").write_text("half")
            raise OSError

        made = caches(tmp_path)
        with pytest.raises(OSError):
            async with made.acquire(wish(), fill):
                pass
        async with made.acquire(wish()) as path:
            return list(path.iterdir())

    assert asyncio.run(use()) == []


def test_what_is_held_is_not_removed(tmp_path):
    async def use():
        made = caches(tmp_path)
        async with made.acquire(wish("held")) as held:
            async with made.acquire(wish("free")) as free:
                (free / "f").write_bytes(b"x" * 10000)
            infos = {info.id: info for info in await made.list()}
            assert infos["held"].in_use
            assert not infos["free"].in_use
            freed = await made.remove([info.key for info in infos.values()])
            return held.exists(), free.exists(), freed, await made.usage()

    held, free, freed, usage = asyncio.run(use())
    assert (held, free) == (True, False)
    assert freed >= 10000 > usage


@pytest.mark.parametrize("key", ["..", ".", "", "a/b", "nosuch", "../x"])
def test_removing_what_is_no_cache(tmp_path, key):
    (tmp_path / "x").mkdir()
    assert asyncio.run(caches(tmp_path).remove([key])) == 0
    assert (tmp_path / "x").exists()
    assert (tmp_path / "caches").exists()


def test_a_start_forgets_what_was_half_done(tmp_path):
    root = tmp_path / "caches"
    for name in (".new-abc", ".old-abc", "no-record"):
        (root / name).mkdir(parents=True)
    caches(tmp_path)
    assert list(root.iterdir()) == []
