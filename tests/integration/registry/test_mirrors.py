"""Mirrors of single registries: used when whole, passed over when not, however late that shows."""

import asyncio
import os

import pytest

from integration.scripted_registry import ScriptedRegistry, layer_tar
from sampan.registry.keychain import ANONYMOUS
from sampan.registry.settings import RegistrySettings

pytestmark = pytest.mark.integration

LAYER = layer_tar({"a": os.urandom(2 << 20)})


def fails(handler, _blob):
    handler.send_error(500)


def damaged(handler, blob):
    handler.begin(len(blob))
    handler.wfile.write(blob[:-20] + bytes(20))


def short(handler, blob):
    handler.begin(len(blob) // 2)
    handler.wfile.write(blob[: len(blob) // 2])


@pytest.mark.parametrize("fault", [None, fails, damaged, short])
def test_what_a_mirror_lacks_comes_from_the_registry(make_engine, fault):
    async def main():
        with ScriptedRegistry() as registry, ScriptedRegistry() as mirror:
            name = registry.add("a/b", LAYER)
            mirror.add("a/b", LAYER)
            (digest,) = mirror.layers_of("a/b")
            if fault is not None:
                mirror.faults[digest] = fault
            settings = RegistrySettings(
                mirrors_of={registry.host: (f"http://{mirror.host}",)}, max_attempts=1
            )
            engine = make_engine(settings=settings)
            items = [item async for item in engine.puller.pull(name, credentials=ANONYMOUS)]
            assert items[-1]["status"] == f"Status: Downloaded newer image for {name}"
            assert engine.images.resolve(name)
            assert mirror.fetched[digest]
            assert registry.fetched[digest] == (0 if fault is None else 1)
            await engine.close()

    asyncio.run(main())
