import asyncio
from dataclasses import replace

import pytest

from sampan.engine.containers.listing import Lister
from sampan.engine.containers.record import Attachment, Health, MountPoint, State
from sampan.engine.containers.registry import ContainerRegistry, NoSuchContainer
from sampan.errors import NotFound
from sampan.lib.workers import Workers
from sampan.network.model import PublishedPort
from sampan.store.metadata import Database, Documents
from sampan.wire.containers import EndpointSettings
from sampan.wire.filters import Filters, InvalidFilter
from unit.engine.containers.samples import container

BASE = container("one", Labels={"a": "1"})
ONE = replace(
    BASE,
    created_ns=1,
    state=State(pid=5, started_ns=1, health=Health("healthy")),
    mounts=(MountPoint("volume", "/data", name="vol", source="/s"),),
    networks={"bridge": Attachment("feed" * 16, EndpointSettings())},
    ports=(PublishedPort("tcp", 80, "0.0.0.0", 8080),),
    sandbox="/netns",
)
TWO = replace(
    container("two.done"), created_ns=2, state=State(started_ns=1, finished_ns=2, exit_code=3)
)
THREE = replace(container("three", ExposedPorts={"90/udp": {}}), created_ns=3)


class NoImages:
    def resolve(self, text):
        raise NotFound(text)


@pytest.fixture
def names(tmp_path):
    def ask(filters=None, **options):
        async def main():
            database = Database(tmp_path / "db")
            try:
                registry = ContainerRegistry(
                    documents=Documents(database, "container"), workers=Workers()
                )
                for one in (ONE, TWO, THREE):
                    registry.reserve(one.name, one.id)
                    await registry.add(one)
                lister = Lister(
                    registry=registry,
                    images=NoImages(),
                    workers=Workers(),
                    sizes=lambda _: (1, 2),
                )
                wanted = {key: tuple(values) for key, values in (filters or {}).items()}
                rows = await lister.list(Filters(wanted), **options)
                return [row.Names[0] for row in rows]
            finally:
                database.close()

        return asyncio.run(main())

    return ask


def test_only_running_ones_unless_told_otherwise(names):
    assert names() == ["/one"]
    assert names(everything=True) == ["/three", "/two.done", "/one"]
    assert names(limit=1) == ["/three"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"status": ["exited"]}, ["/two.done"]),
        ({"status": ["exited", "created"]}, ["/three", "/two.done"]),
        ({"exited": ["3"]}, ["/two.done"]),
        ({"health": ["healthy"]}, ["/one"]),
        ({"health": ["none"]}, ["/three", "/two.done"]),
        ({"name": ["two"]}, ["/two.done"]),
        ({"name": ["^/one$"]}, ["/one"]),
        ({"name": ["^one$"]}, ["/one"]),
        ({"id": [ONE.id[:12]]}, ["/one"]),
        ({"label": ["a=1"]}, ["/one"]),
        ({"label": ["a=2"]}, []),
        ({"before": ["two.done"]}, ["/one"]),
        ({"since": ["two.done"]}, ["/three"]),
        ({"volume": ["vol"]}, ["/one"]),
        ({"volume": ["/data"]}, ["/one"]),
        ({"network": ["bridge"]}, ["/one"]),
        ({"network": ["feedfeed"]}, ["/one"]),
        ({"publish": ["80"]}, ["/one"]),
        ({"publish": ["81-90"]}, []),
        ({"expose": ["90/udp"]}, ["/three"]),
        ({"is-task": ["true"]}, []),
        ({"ancestor": ["nosuchimage"]}, []),
        ({"name": ["^one"], "health": ["none"]}, []),
    ],
)
def test_filters(names, filters, found):
    assert names(filters, everything=True) == found


@pytest.mark.parametrize(
    "filters",
    [
        {"nosuch": ["1"]},
        {"status": ["zz"]},
        {"health": ["zz"]},
        {"exited": ["zz"]},
        {"publish": ["zz"]},
        {"is-task": ["zz"]},
    ],
)
def test_bad_filters_are_refused(names, filters):
    with pytest.raises(InvalidFilter, match="invalid filter"):
        names(filters)


def test_since_needs_a_container(names):
    with pytest.raises(NoSuchContainer, match="No such container: zz"):
        names({"since": ["zz"]})
