import asyncio
import os
from types import SimpleNamespace

import pytest

from sampan.engine.containers.changes import CommitRequest
from sampan.engine.images.commit import ContainerCommit, merged
from sampan.engine.images.new_layer import LayerAdder
from sampan.errors import InvalidArgument, NotFound
from sampan.store.leases import Leases
from sampan.store.snapshots import SnapshotKey
from sampan.wire.containers import ContainerConfig, HealthConfig


@pytest.fixture
def commit(engine):
    committer = ContainerCommit(
        images=engine.images,
        snapshots=engine.snapshots,
        layers=LayerAdder(
            images=engine.images,
            content=engine.content,
            snapshots=engine.snapshots,
            leases=Leases(),
            workers=engine.workers,
        ),
        tagger=engine.tagger,
        events=engine.events,
        workers=engine.workers,
    )

    def run(container, **request):
        found = asyncio.run(
            committer.commit(container, CommitRequest(container=container.id, **request))
        )
        return engine.images.get(found)

    return run


@pytest.fixture
def container(engine):
    """A container over a one-layer image, that has made, changed and removed files."""
    base = engine.tag(engine.image(("base", 10), Cmd=["old"]), "base")
    key = SnapshotKey("c" * 64)
    engine.snapshots.prepare(key, base.chain_id)
    upper = engine.snapshots.upper(key)
    (upper / "made").write_bytes(b"made")
    (upper / "dev").mkdir()
    (upper / "dev/console").touch()
    os.mknod(upper / "gone", 0o020000, 0)
    return SimpleNamespace(
        id=key,
        image_id=base.id,
        argv=("sh", "-c", "echo"),
        config=ContainerConfig(Cmd=["sh", "-c", "echo"], Env=["OLD=1"], Hostname="h"),
    )


def test_the_writable_layer_becomes_a_layer(engine, commit, container):
    image = commit(
        container,
        repo="new",
        tag="v",
        comment="msg",
        author="me",
        changes=['CMD ["cat"]', "LABEL k=v"],
    )
    assert engine.images.resolve("new:v").id == image.id
    assert (image.spec.comment, image.spec.author) == ("msg", "me")
    config = image.spec.config
    assert (config.Cmd, config.Env, config.Labels) == (["cat"], ["OLD=1"], {"k": "v"})
    assert len(image.spec.rootfs.diff_ids) == 2
    assert image.parent == container.image_id
    assert (image.spec.history[-1].created_by, image.spec.history[-1].comment) == (
        "sh -c echo",
        "msg",
    )
    upper = engine.snapshots.upper(image.chain_id)
    assert (upper / "made").read_bytes() == b"made"
    assert (upper / "gone").is_char_device()
    assert not (upper / "dev").exists()
    assert image.size_bytes == 14
    assert [e[0] for e in engine.seen()] == ["create", "tag"]


@pytest.mark.parametrize("request_", [{"repo": "BAD"}, {"changes": ["RUN x"]}])
def test_bad_requests_leave_nothing(engine, commit, container, request_):
    before = len(engine.images.list())
    with pytest.raises(InvalidArgument):
        commit(container, **request_)
    assert len(engine.images.list()) == before


def test_the_image_of_the_container_must_be_here(engine, commit, container):
    engine.images.remove(container.image_id)
    with pytest.raises(NotFound, match="No such image"):
        commit(container)


def test_the_requests_configuration_wins_where_it_is_set():
    container = ContainerConfig(
        Cmd=["a"], User="u", Healthcheck=HealthConfig(Test=["CMD", "x"], Retries=2)
    )
    found = merged(container, ContainerConfig(Cmd=["b"]))
    assert (found.Cmd, found.User, found.Healthcheck.Retries) == (["b"], "u", 2)
