"""Push and pull against Debian's docker-registry."""

import asyncio
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from registry_parts import Engine, make_tar, once, random_bytes, small_disk

from sampan.errors import Denied, InvalidArgument, NotFound, SampanError
from sampan.oci.reference import parse_reference
from sampan.registry.keychain import ANONYMOUS, Credentials
from sampan.registry.login import LoginRefused, Logins

pytestmark = pytest.mark.integration


async def pulled(engine, name, tag="", credentials=ANONYMOUS, **options):
    items = engine.puller.pull(name, tag=tag, credentials=credentials, **options)
    return [item async for item in items]


async def pushed(engine, name, tag="", credentials=ANONYMOUS):
    return [item async for item in engine.pusher.push(name, tag=tag, credentials=credentials)]


async def removed(engine, name):
    found = await engine.remover.remove(name)
    return [item.Untagged or item.Deleted for item in found]


def texts(items):
    return [item.get("status", "") for item in items]


def run(main):
    asyncio.run(main())


def test_what_was_pushed_is_pulled_back_the_same(registry, make_engine):
    async def main():
        engine = make_engine()
        name = f"{registry.host}/ns/app"
        image = await engine.add(
            f"{name}:v1", {"etc/x": b"hello", "big": random_bytes(3 << 20)}, changes=["ENV A=b"]
        )
        items = await pushed(engine, name, "v1")
        assert texts(items)[0] == f"The push refers to repository [{name}]"
        assert "Preparing" in texts(items)
        assert "Pushed" in texts(items)
        assert items[-1]["aux"]["Tag"] == "v1"
        digest = items[-1]["aux"]["Digest"]
        assert texts(items)[-2].startswith(f"v1: digest: {digest} size: ")
        assert engine.images.digests(image.id) == [f"{name}@{digest}"]

        assert await removed(engine, f"{name}:v1") == [
            f"{name}:v1",
            f"{name}@{digest}",
            image.id,
            image.chain_id,
        ]
        assert engine.leftovers() == {"blobs": [], "ingest": [], "layers": []}

        items = await pulled(engine, name, "v1")
        assert items[0] == {"status": "Pulling from ns/app", "id": "v1"}
        assert texts(items)[-2:] == [
            f"Digest: {digest}",
            f"Status: Downloaded newer image for {name}:v1",
        ]
        states = [text for text in texts(items) if text != "Downloading"]
        assert states[1:-2] == [
            "Pulling fs layer",
            "Verifying Checksum",
            "Download complete",
            "Extracting",
            "Pull complete",
        ]
        again = engine.images.resolve(f"{name}:v1")
        assert again.id == image.id
        assert again.spec.config.Env == ["A=b"]
        assert (engine.snapshots.upper(again.chain_id) / "etc/x").read_bytes() == b"hello"
        assert again.size_bytes == image.size_bytes

        items = await pulled(engine, name, "v1")
        assert texts(items) == [
            "Pulling from ns/app",
            f"Digest: {digest}",
            f"Status: Image is up to date for {name}:v1",
        ]
        items = await pushed(engine, name, "v1")
        assert "Layer already exists" in texts(items)
        assert items[-1]["aux"]["Digest"] == digest
        actions = [(e.action, e.actor_id) for e in engine.log.history(0) if e.action != "tag"]
        assert actions.count(("pull", f"{name}:v1")) == 2
        assert actions.count(("push", f"{name}:v1")) == 2
        await engine.close()

    run(main)


def test_by_digest_and_all_tags(registry, make_engine):
    async def main():
        engine = make_engine()
        name = f"{registry.host}/x"
        await engine.add(f"{name}:a", {"f": b"1"})
        await engine.tagger.tag(f"{name}:a", name, "b")
        items = await pushed(engine, name)
        digest = items[-1]["aux"]["Digest"]
        assert [item["aux"]["Tag"] for item in items if "aux" in item] == ["a", "b"]
        await removed(engine, f"{name}:a")
        await removed(engine, f"{name}:b")

        items = await pulled(engine, name, digest)
        assert items[0]["id"] == digest
        image = engine.images.resolve(f"{name}@{digest}")
        assert engine.images.references(image.id) == []
        assert await removed(engine, f"{name}@{digest}")

        items = await pulled(engine, name)
        assert [i["id"] for i in items if i["status"] == "Pulling from x"] == ["a", "b"]
        assert texts(items)[-1] == f"Status: Downloaded newer image for {name}"
        await engine.close()

    run(main)


def test_a_layer_is_mounted_from_another_repository(registry, make_engine):
    async def main():
        engine = make_engine()
        await engine.add(f"{registry.host}/one:x", {"f": b"1"})
        await pushed(engine, f"{registry.host}/one", "x")
        await engine.tagger.tag(f"{registry.host}/one:x", f"{registry.host}/two", "x")
        items = await pushed(engine, f"{registry.host}/two", "x")
        assert "Mounted from one" in texts(items)
        await engine.close()

    run(main)


@pytest.mark.parametrize("compression", ["gz", "xz"])
def test_layers_that_came_compressed(registry, make_engine, compression):
    async def main():
        engine = make_engine()
        name = f"{registry.host}/c"
        archive = make_tar({"f": b"data"}, compression=compression)
        items = engine.importer.import_(once(archive), repo=name, tag="t")
        [item async for item in items]
        image = engine.images.resolve(f"{name}:t")
        await pushed(engine, name, "t")
        await removed(engine, f"{name}:t")
        await pulled(engine, name, "t")
        assert engine.images.resolve(f"{name}:t").id == image.id
        await engine.close()

    run(main)


def test_errors_have_dockers_words(registry, make_engine):
    async def main():
        engine = make_engine()
        name = f"{registry.host}/ns/app"
        await engine.add(f"{name}:v1", {"f": b"1"})
        await pushed(engine, name, "v1")

        async def failing(stream, kind):
            with pytest.raises(kind) as caught:
                await stream
            return caught.value.message

        zero = "sha256:" + "0" * 64
        assert await failing(pulled(engine, name, "nope"), NotFound) == (
            f"manifest for {name}:nope not found: manifest unknown: manifest unknown"
        )
        assert await failing(pulled(engine, name, zero), NotFound) == (
            f"manifest for {name}@{zero} not found: manifest unknown: manifest unknown"
        )
        assert "not found" in await failing(
            pulled(engine, f"{registry.host}/none", "latest"), NotFound
        )
        assert "repository name not known to registry" in await failing(
            pulled(engine, f"{registry.host}/none"), NotFound
        )
        assert "connection refused" in await failing(
            pulled(engine, "127.0.0.1:1/x", "y"), SampanError
        )
        assert await failing(pulled(engine, name, "bad tag"), InvalidArgument) == (
            "invalid tag format"
        )
        assert await failing(pulled(engine, "scratch", "latest"), Denied) == (
            "'scratch' is a reserved name"
        )
        assert await failing(pushed(engine, f"{registry.host}/none"), NotFound) == (
            f"An image does not exist locally with the tag: {registry.host}/none"
        )
        assert await failing(pushed(engine, name, "nope"), NotFound) == (
            f"tag does not exist: {name}:nope"
        )
        await engine.close()

    run(main)


@pytest.mark.parametrize("registry", [True], indirect=True, ids=["locked"])
def test_basic_authentication(registry, make_engine):
    async def main():
        engine = make_engine()
        name = f"{registry.host}/p"
        good, bad = Credentials("me", "secret"), Credentials("me", "wrong")
        await engine.add(f"{name}:x", {"f": b"1"})
        with pytest.raises(SampanError, match="no basic auth credentials"):
            await pushed(engine, name, "x")
        with pytest.raises(SampanError, match="unauthorized: authentication required"):
            await pushed(engine, name, "x", bad)
        await pushed(engine, name, "x", good)
        await removed(engine, f"{name}:x")
        with pytest.raises(SampanError, match="no basic auth credentials"):
            await pulled(engine, name, "x")
        with pytest.raises(SampanError, match="unauthorized: authentication required"):
            await pulled(engine, name, "x", bad)
        assert await pulled(engine, name, "x", good)

        logins = Logins(registries=engine.registries)
        at = {"server_address": registry.host}
        assert await logins.login(Credentials("me", "secret", **at)) == ""
        with pytest.raises(LoginRefused, match="401 Unauthorized"):
            await logins.login(Credentials("me", "wrong", **at))
        await engine.close()

    run(main)


@pytest.mark.parametrize("damage", ["flipped", "truncated", "missing"])
def test_a_damaged_layer_is_refused_and_leaves_nothing(registry, make_engine, damage):
    async def main():
        engine = make_engine()
        name = f"{registry.host}/d"
        await engine.add(f"{name}:x", {"f": random_bytes(1 << 20)})
        await pushed(engine, name, "x")
        await removed(engine, f"{name}:x")
        data = registry.blobs()[0]
        if damage == "flipped":
            with data.open("r+b") as file:
                file.seek(500_000)
                file.write(b"\0" * 16)
        elif damage == "truncated":
            data.write_bytes(data.read_bytes()[:400_000])
        else:
            data.unlink()
        with pytest.raises(SampanError) as caught:
            await pulled(engine, name, "x")
        expected = "unknown" if damage == "missing" else "filesystem layer verification failed"
        assert expected in caught.value.message
        assert engine.images.list() == []
        engine.collector.collect()
        assert engine.leftovers() == {"blobs": [], "ingest": [], "layers": []}
        await engine.close()

    run(main)


def test_concurrent_pulls_are_one_download(registry, make_engine, monkeypatch):
    async def main():
        maker = make_engine("maker")
        files = {f"f{n}": random_bytes(100_000) for n in range(20)}
        for tag in ("a", "b"):
            await maker.add(f"{registry.host}/c:{tag}", files, message=tag)
        await pushed(maker, f"{registry.host}/c")
        await maker.close()

        engine = make_engine()
        starts = []
        start = engine.puller._layers._ingest

        async def counting(*arguments):
            starts.append(1)
            await asyncio.sleep(0.05)
            return await start(*arguments)

        monkeypatch.setattr(engine.puller._layers, "_ingest", counting)
        await asyncio.gather(*(pulled(engine, f"{registry.host}/c", tag) for tag in "aabbab"))
        assert len(starts) == 1
        assert len(engine.images.list()) == 2
        assert engine.leftovers()["ingest"] == []
        assert len(engine.leftovers()["layers"]) == 1
        await engine.close()

    run(main)


def test_a_client_that_leaves_stops_the_pull_and_leaves_nothing(registry, make_engine, monkeypatch):
    async def main():
        maker = make_engine("maker")
        name = f"{registry.host}/l"
        await maker.add(f"{name}:x", {"f": random_bytes(4 << 20)})
        await pushed(maker, name, "x")
        await maker.close()

        engine = make_engine()
        async with aclosing(engine.puller.pull(name, tag="x", credentials=ANONYMOUS)) as items:
            async for item in items:
                if item["status"] == "Downloading":
                    break
        assert engine.images.list() == []
        engine.collector.collect()
        assert engine.leftovers() == {"blobs": [], "ingest": [], "layers": []}
        assert await pulled(engine, name, "x")
        await engine.close()

    run(main)


def test_one_of_two_clients_leaving_doesnt_disturb_the_other(registry, make_engine):
    async def main():
        maker = make_engine("maker")
        name = f"{registry.host}/l"
        await maker.add(f"{name}:x", {"f": random_bytes(8 << 20)})
        await pushed(maker, name, "x")
        await maker.close()

        engine = make_engine()
        first = asyncio.create_task(pulled(engine, name, "x"))
        second = asyncio.create_task(pulled(engine, name, "x"))
        await asyncio.sleep(0.02)
        first.cancel()
        assert texts(await second)[-1].startswith("Status: Downloaded newer image")
        await engine.close()

    run(main)


def test_a_full_disk_is_said_and_leaves_nothing(registry, make_engine, tmp_path):
    async def main():
        maker = make_engine("maker")
        name = f"{registry.host}/f"
        await maker.add(f"{name}:x", {"f": random_bytes(6 << 20)})
        await pushed(maker, name, "x")
        await maker.close()
        with small_disk(tmp_path / "small", 4 << 20) as disk:
            engine = Engine(disk)
            with pytest.raises(SampanError, match="no space left on device"):
                await pulled(engine, name, "x")
            engine.collector.collect()
            assert engine.leftovers() == {"blobs": [], "ingest": [], "layers": []}
            await engine.close()

    run(main)


def test_an_index_gives_the_image_of_the_platform(registry, make_engine):
    from sampan.oci import manifest as manifests
    from sampan.oci import mediatypes
    from sampan.oci.descriptor import Descriptor, Platform
    from sampan.oci.manifest import Index
    from sampan.oci.platform import host_platform, parse_platform
    from sampan.registry.client import PUSH
    from sampan.registry.pusher import BlobPusher

    async def main():
        engine = make_engine()
        name = f"{registry.host}/multi"
        platforms = {"mine": host_platform(), "other": parse_platform("linux/s390x")}
        entries, ids = [], {}
        for tag, platform in platforms.items():
            image = await engine.add(f"{name}:{tag}", {tag: b"x"}, platform=platform)
            ids[tag] = image.id
            found = (await pushed(engine, name, tag))[-1]["aux"]
            entries.append(
                Descriptor(
                    mediaType=mediatypes.DOCKER_MANIFEST,
                    digest=found["Digest"],
                    size=found["Size"],
                    platform=platform,
                )
            )
        entries.insert(
            0,
            Descriptor(
                mediaType=mediatypes.OCI_MANIFEST,
                digest=entries[0].digest,
                size=entries[0].size,
                platform=Platform(os="unknown", architecture="unknown"),
            ),
        )
        index = manifests.encode(Index(mediaType=mediatypes.DOCKER_INDEX, manifests=tuple(entries)))
        repository = await engine.registries.repository(
            parse_reference(name), ANONYMOUS, actions=PUSH
        )
        await BlobPusher(repository, engine.workers).put_manifest(
            "all", index, mediatypes.DOCKER_INDEX
        )
        await pulled(engine, name, "all")
        assert engine.images.resolve(f"{name}:all").id == ids["mine"]
        await pulled(engine, name, "all", platform=platforms["other"])
        assert engine.images.resolve(f"{name}:all").id == ids["other"]
        with pytest.raises(NotFound, match="no matching manifest for linux/riscv64"):
            await pulled(engine, name, "all", platform=parse_platform("linux/riscv64"))
        await engine.close()

    run(main)


def test_a_layer_that_another_image_has_is_not_fetched(registry, make_engine):
    async def main():
        engine = make_engine()
        name = f"{registry.host}/ns/app"
        files = {"big": random_bytes(1 << 20)}
        other = await engine.add("other:x", files)
        image = await engine.add(f"{name}:v1", files, changes=["ENV A=b"])
        await pushed(engine, name, "v1")
        await removed(engine, f"{name}:v1")
        items = await pulled(engine, name, "v1")
        assert "Already exists" in texts(items)
        assert "Downloading" not in texts(items)
        again = engine.images.resolve(f"{name}:v1")
        assert (again.id, again.layers) == (image.id, other.layers)
        await removed(engine, "other:x")
        assert (engine.snapshots.upper(again.chain_id) / "big").read_bytes() == files["big"]
        digest = items[-2]["status"].removeprefix("Digest: ")
        assert (await pushed(engine, f"{name}", "v1"))[-1]["aux"]["Digest"] == digest
        await engine.close()

    run(main)


def test_unpushed_layers_compress_the_same_every_time(registry, make_engine):
    async def main():
        digests = set()
        for number in range(2):
            engine = make_engine(f"e{number}")
            name = f"{registry.host}/same{number}"
            await engine.add(f"{name}:x", {"f": b"same" * 1000})
            await pushed(engine, name, "x")
            (blob,) = engine.pusher._pushed.known(
                engine.images.resolve(f"{name}:x").spec.rootfs.diff_ids[0]
            )
            digests.add(blob.blob.digest)
            await engine.close()
        assert len(digests) == 1

    run(main)
