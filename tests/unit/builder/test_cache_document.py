"""Steps as a document: what goes out, and what is taken of what comes in."""

import base64
import json
import zlib

import msgspec
import pytest

from sampan.builder import cache_document
from sampan.builder.cache import Made
from sampan.builder.cache_document import (
    INLINE_KEY,
    BadCacheDocument,
    document_of,
    inline_document,
    inlined,
    layers_of,
    on_the_way_to,
)
from sampan.builder.cache_import import check
from sampan.builder.cache_keys import Step, cache_key
from sampan.builder.results import State
from sampan.oci import image_config
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import sha256_of
from sampan.oci.image_config import History, ImageSpec, RootFS
from sampan.store.content_local import LocalContentStore
from sampan.store.images import ImageStore
from sampan.store.metadata import Database


def layer(name, *, compressed=False):
    digest = sha256_of(f"{name}{compressed}".encode())
    return Descriptor(mediaType="application/vnd.oci.image.layer.v1.tar", digest=digest, size=3)


def spec(*names, empty=0):
    history = [History(created_by=name) for name in names]
    history += [History(created_by="ENV", empty_layer=True)] * empty
    diff_ids = tuple(sha256_of(name.encode()) for name in names)
    return ImageSpec(rootfs=RootFS(diff_ids=diff_ids), history=tuple(history))


@pytest.fixture
def world(tmp_path):
    """base <- one <- two(ENV); other stage: base <- three."""
    database = Database(tmp_path / "db")
    content = LocalContentStore(tmp_path / "content")
    images = ImageStore(database, content)

    def add(found, *names):
        config = image_config.encode(found)
        return images.add(config, tuple(layer(name) for name in names), size_bytes=0)

    class World:
        base = add(spec("base"), "base")
        one = add(spec("base", "one"), "base", "one")
        two = add(spec("base", "one", empty=1), "base", "one")
        three = add(spec("base", "three"), "base", "three")
        read = staticmethod(content.read)

        def steps(self):
            pairs = ((self.one, self.base), (self.two, self.one), (self.three, self.base))
            return [
                Made(cache_key("exec", base.id, n=number), Step(), State(image))
                for number, (image, base) in enumerate(pairs)
            ]

    yield World()
    database.close()


def test_document_has_the_layers_that_steps_made_and_not_those_of_the_base(world):
    layers = {one.diff_id: one.blob for one in layers_of(world.steps())}
    document = document_of(world.steps(), layers, world.read)
    assert document.layers == (layer("one"), layer("three"))
    assert [step.layer for step in document.steps] == [0, None, 1]
    assert [step.base for step in document.steps] == [world.base.id, world.one.id, world.base.id]
    assert [sha256_of(step.config.encode()) for step in document.steps] == [
        world.one.id,
        world.two.id,
        world.three.id,
    ]
    assert cache_document.decode(cache_document.encode(document)) == document


def test_min_has_the_result_alone(world):
    chosen = on_the_way_to(State(world.two), world.steps())
    assert [step.result.identity for step in chosen] == [world.one.id, world.two.id]


def test_inline_cache_is_found_in_the_config_with_the_layers_of_then(world):
    config = inlined(world.two, on_the_way_to(State(world.two), world.steps()), world.read)
    assert image_config.decode(config) == world.two.spec
    pulled = (layer("base", compressed=True), layer("one", compressed=True))
    document = inline_document(config, pulled)
    assert [step.layer for step in document.steps] == [1, None]
    assert document.layers == pulled


def test_image_without_inline_cache(world):
    assert inline_document(world.read(world.two.id), world.two.layers) is None


@pytest.mark.parametrize(
    "packed",
    ["no base64 ###", base64.b64encode(b"no zlib").decode(), zlib.compress(b"{").hex()],
)
def test_broken_inline_cache_is_refused(world, packed):
    config = json.loads(world.read(world.two.id)) | {INLINE_KEY: packed}
    with pytest.raises(BadCacheDocument):
        inline_document(json.dumps(config).encode(), world.two.layers)


def test_inline_cache_that_unpacks_to_very_much_is_refused(world, monkeypatch):
    monkeypatch.setattr(cache_document, "MAX_BYTES", 1000)
    packed = base64.b64encode(zlib.compress(b" " * 100_000)).decode()
    config = json.loads(world.read(world.two.id)) | {INLINE_KEY: packed}
    with pytest.raises(BadCacheDocument, match="too large"):
        inline_document(json.dumps(config).encode(), world.two.layers)


def test_documents_of_other_kinds_are_refused():
    step = {"key": "k", "config": "{}", "layer": 1}
    for wrong in (b"[]", b"{", b'{"version": 9}', json.dumps({"steps": [step]}).encode()):
        with pytest.raises(BadCacheDocument):
            cache_document.decode(wrong)


def test_step_must_continue_what_is_below_it(world):
    layers = [layer("base"), layer("one")]
    check(world.one.spec, layers, world.base)
    with pytest.raises(BadCacheDocument, match="don't match"):
        check(world.one.spec, layers[:1], world.base)
    with pytest.raises(BadCacheDocument, match="layers don't continue"):
        check(spec("evil", "one"), layers, world.base)
    with pytest.raises(BadCacheDocument, match="layers don't continue"):
        check(spec("base", "one", "more"), [*layers, layer("more")], world.base)
    forged = msgspec.structs.replace(world.one.spec, history=(History(created_by="x"),) * 2)
    with pytest.raises(BadCacheDocument, match="history doesn't continue"):
        check(forged, layers, world.base)
