"""The build cache: what is remembered of steps, and when it may go."""

import asyncio
from dataclasses import replace

import pytest

from sampan.builder.cache import BuildCache, CacheFrom, Made
from sampan.builder.cache_keys import Step, cache_key
from sampan.builder.progress import Changed, Reason
from sampan.builder.results import State
from sampan.lib.workers import Workers
from sampan.oci import image_config
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import sha256_of
from sampan.oci.image_config import History, ImageSpec, RootFS
from sampan.oci.mediatypes import DOCKER_LAYER
from sampan.oci.reference import parse_reference
from sampan.store.content_local import LocalContentStore
from sampan.store.image_records import LocalLayer
from sampan.store.images import ImageStore
from sampan.store.metadata import Database, Documents


@pytest.fixture
def database(tmp_path):
    found = Database(tmp_path / "sampan.db")
    yield found
    found.close()


@pytest.fixture
def images(tmp_path, database):
    return ImageStore(database, LocalContentStore(tmp_path / "content"))


@pytest.fixture
def cache(database, images):
    return BuildCache(Documents(database, "buildcache"), images, Workers())


def image(images, name, parent=None):
    spec = ImageSpec(comment=name, history=(History(created_by="RUN x"),))
    config = image_config.encode(spec)
    return images.add(config, (), size_bytes=0, parent=parent, built_here=True)


STEP = Step(text="RUN x", stage="0", index=1)
KEY = cache_key("exec", "sha256:base", argv=["x"])
LINKED = replace(KEY, apart="apart")


def record(cache, state, key=KEY, step=STEP):
    asyncio.run(cache.record([Made(key, step, state)]))


def find_layer(cache):
    return asyncio.run(cache.find_layer(LINKED.apart))


def find(cache, key=KEY):
    return asyncio.run(cache.find(key, STEP))


def test_what_was_made_is_found_again(cache, images):
    made = State(image(images, "a"))
    assert find(cache) is None
    record(cache, made)
    assert find(cache).identity == made.identity


def test_only_records_count_and_not_what_an_image_says_of_itself(cache, images):
    """CVE-2024-24557: history and parent of an image may claim anything."""
    base = image(images, "base")
    spec = ImageSpec(
        history=(History(created_by="/bin/sh -c x"),),
        container_config={"Cmd": ["/bin/sh", "-c", "x"]},
        parent=base.id,
    )
    evil = images.add(image_config.encode(spec), (), size_bytes=0, parent=base.id)
    images.tag(parse_reference("evil:latest"), evil.id)
    key = cache_key("exec", base.id, argv=["/bin/sh", "-c", "x"])
    assert find(cache, key) is None
    named = CacheFrom(cache, ["evil"], images, Workers())
    assert asyncio.run(named.find(key, STEP)) is None


def test_cache_from_takes_only_steps_of_the_named_images(cache, images):
    mine, other = image(images, "mine"), image(images, "other")
    images.tag(parse_reference("mine:latest"), mine.id)
    second = cache_key("exec", "sha256:base", argv=["y"])
    record(cache, State(mine))
    record(cache, State(other), key=second)
    narrow = CacheFrom(cache, ["mine", "absent"], images, Workers())
    assert asyncio.run(narrow.find(KEY, STEP)).identity == mine.id
    assert asyncio.run(narrow.find(second, STEP)) is None


def test_entry_of_a_removed_image_is_met_and_dropped(cache, images):
    made = image(images, "a")
    record(cache, State(made))
    images.remove(made.id)
    assert find(cache) is None
    assert cache.entries() == {}


def test_a_miss_is_explained_by_the_last_time(cache, images):
    why = lambda key: asyncio.run(cache.why(key, STEP))  # noqa: E731
    assert why(KEY) == (Reason(Changed.NEVER_CACHED),)
    record(cache, State(image(images, "a")))
    other = cache_key("exec", "sha256:base", argv=["x"], files={"f": "1"})
    assert why(cache_key("exec", "sha256:other", argv=["x"])) == (Reason(Changed.PARENT),)
    assert why(other) == (Reason(Changed.FILE_ADDED, "f"),)


def test_the_last_time_is_also_one_that_was_cached(cache, images):
    first = cache_key("exec", "sha256:base", files={"f": "1"}, content="1")
    second = cache_key("exec", "sha256:base", files={"f": "2", "g": "1"}, content="2")
    record(cache, State(image(images, "a")), key=first)
    record(cache, State(image(images, "b")), key=second)
    assert find(cache, first) is not None
    third = cache_key("exec", "sha256:base", files={"f": "3"}, content="3")
    assert asyncio.run(cache.why(third, STEP)) == (Reason(Changed.FILE_CHANGED, "f"),)


def test_use_is_counted_and_survives(cache, images, database):
    record(cache, State(image(images, "a")))
    find(cache), find(cache)
    (entry,) = cache.entries().values()
    assert entry.uses == 2
    again = BuildCache(Documents(database, "buildcache"), images, Workers())
    (entry,) = again.entries().values()
    assert entry.uses == 2


def test_what_a_running_build_used_stays(cache, images):
    record(cache, State(image(images, "a")))
    with cache.running():
        assert find(cache) is not None
        (entry,) = cache.entries().values()
        assert cache.in_use(entry)
        assert not cache.forget_unused(KEY.digest, lambda _: None)
    dropped = []
    assert cache.forget_unused(KEY.digest, dropped.append)
    assert [one.image for one in dropped] == [entry.image]
    assert find(cache) is None


def test_tidying_drops_what_leads_nowhere(cache, images, database):
    made, kept = image(images, "a"), image(images, "b")
    record(cache, State(made))
    record(cache, State(kept), key=cache_key("exec", "z"), step=Step(text="RUN z", stage="1"))
    asyncio.run(cache.keep_result(made.id))
    documents = Documents(database, "buildcache")
    documents.put("f" * 64, b"sha256:of an older version")
    images.remove(made.id)
    assert cache.tidy() == 1
    assert cache.results() == frozenset()
    assert len(documents.all()) == 3  # the other entry and its two places


def test_a_layer_is_found_whatever_it_was_put_on_as_long_as_its_step_is_there(cache, images):
    diff_id, blob = (
        sha256_of(b"a"),
        Descriptor(mediaType=DOCKER_LAYER, digest=sha256_of(b"b"), size=1),
    )
    spec = ImageSpec(rootfs=RootFS(diff_ids=(diff_id,)), history=(History(created_by="COPY"),))
    made = images.add(image_config.encode(spec), (blob,), size_bytes=1, built_here=True)
    assert find_layer(cache) is None
    record(cache, State(made), LINKED)
    assert find_layer(cache) == LocalLayer(diff_id, blob)
    cache.tidy()
    assert find_layer(cache) == LocalLayer(diff_id, blob)
    cache.forget([LINKED.digest])
    cache.tidy()
    assert find_layer(cache) is None
