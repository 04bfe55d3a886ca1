"""import, load and save."""

import asyncio
import io
import json
import tarfile

import pytest
from archives import make_tar, once

from sampan.errors import InvalidArgument, NotFound, SampanError
from sampan.oci.reference import parse_reference


def import_(engine, data, **options):
    async def main():
        return [item async for item in engine.importer.import_(once(data), **options)]

    (item,) = asyncio.run(main())
    return engine.images.get(item["status"])


def load(engine, data, **options):
    async def main():
        return [item async for item in engine.loader.load(once(data), **options)]

    return asyncio.run(main())


def save(engine, *names):
    async def main():
        return b"".join([chunk async for chunk in engine.saver.save(names)])

    return asyncio.run(main())


def member(archive, name):
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return json.load(opened.extractfile(name))


FILES = {"etc/hello": b"hi", "bin/x": b"#!"}


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_import_makes_a_one_layer_image(engine, compression):
    image = import_(engine, make_tar(FILES, compression=compression), repo="imp", tag="t")
    assert len(image.spec.rootfs.diff_ids) == 1
    assert (engine.snapshots.upper(image.chain_id) / "etc/hello").read_bytes() == b"hi"
    assert image.size_bytes == 4
    assert engine.images.resolve("imp:t").id == image.id
    assert image.spec.comment == "Imported from -"
    assert [e[0] for e in engine.seen()] == ["tag", "import"]


def test_import_with_changes_and_message(engine):
    image = import_(
        engine,
        make_tar(FILES),
        message="hello",
        changes=['CMD ["cat","/x"]', "ENV Q=1", "EXPOSE 80", "LABEL a=b", "WORKDIR /w", "USER u"],
    )
    config = image.spec.config
    assert (config.Cmd, config.Env) == (["cat", "/x"], ["Q=1"])
    assert (config.ExposedPorts, config.Labels) == ({"80/tcp": {}}, {"a": "b"})
    assert (config.WorkingDir, config.User) == ("/w", "u")
    assert image.spec.history[-1].comment == "hello"


def test_changes_see_each_other(engine):
    image = import_(
        engine,
        make_tar(FILES),
        changes=["ENV A=1 B=2", "ENV C=$A", "ENTRYPOINT run $A", "VOLUME /v", "STOPSIGNAL SIGINT",
                 "HEALTHCHECK NONE", "ONBUILD RUN x", "WORKDIR a", "WORKDIR b"],
    )  # fmt: skip
    config = image.spec.config
    assert config.Env == ["A=1", "B=2", "C=1"]
    assert config.Entrypoint == ["/bin/sh", "-c", "run $A"]
    assert (config.Volumes, config.StopSignal, config.OnBuild) == ({"/v": {}}, "SIGINT", ["RUN x"])
    assert config.Healthcheck.Test == ["NONE"]
    assert config.WorkingDir == "/a/b"


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (b"garbage", {}),
        (make_tar({"x": b"y" * 9000})[:5000], {}),
        (make_tar({"x": b"y" * 9000}, compression="gz")[:60], {}),
        (make_tar(FILES), {"repo": "BAD"}),
        (make_tar(FILES), {"repo": "x", "tag": "b ad"}),
        (make_tar(FILES), {"repo": "x@sha256:" + "0" * 64}),
        (make_tar(FILES), {"changes": ["RUN x"]}),
        (make_tar(FILES), {"changes": ["NOSUCH x"]}),
        (make_tar(FILES), {"changes": ["EXPOSE nan"]}),
    ],
)
def test_bad_imports_leave_nothing(engine, data, options):
    with pytest.raises(SampanError):
        import_(engine, data, **options)
    assert engine.images.list() == []
    assert [p.name for p in (engine.root / "snapshots").iterdir()] == ["empty"]


def test_a_bad_change_is_named(engine):
    with pytest.raises(InvalidArgument, match=r"(?i)run is not a valid change command"):
        import_(engine, make_tar(FILES), changes=["RUN x"])


def test_saved_images_are_loaded_with_their_names(engine):
    image = import_(engine, make_tar(FILES), repo="one")
    engine.tag(image, "two:x")
    data = save(engine, "one", "two:x")
    assert member(data, "manifest.json")[0]["RepoTags"] == ["one:latest", "two:x"]
    for reference in engine.images.references(image.id):
        engine.images.untag(reference)
    engine.images.remove(image.id)
    assert load(engine, data) == [
        {"stream": "Loaded image: one:latest\n"},
        {"stream": "Loaded image: two:x\n"},
    ]
    assert engine.images.resolve("one").id == image.id
    assert [e[0] for e in engine.seen()[-2:]] == ["save", "load"]


def test_names_without_tag_save_all_tags_and_ids_none(engine):
    image = engine.tag(import_(engine, make_tar(FILES)), "x:1", "x:2")
    assert member(save(engine, "x"), "manifest.json")[0]["RepoTags"] == ["x:1", "x:2"]
    data = save(engine, image.id[7:19])
    assert member(data, "manifest.json")[0]["RepoTags"] is None
    assert load(engine, data) == [{"stream": f"Loaded image ID: {image.id}\n"}]


def test_a_name_that_moves_is_told(engine):
    old = import_(engine, make_tar(FILES), repo="x")
    data = save(engine, "x")
    new = import_(engine, make_tar({"other": b"z"}), repo="x")
    assert old.id != new.id
    assert load(engine, data)[0]["stream"] == (
        f"The image x:latest already exists, renaming the old one with ID {new.id} "
        "to empty string\n"
    )
    assert engine.images.find(parse_reference("x")).id == old.id


def test_layers_are_shown_unless_quiet(engine):
    image = import_(engine, make_tar({"big": b"x" * 2_000_000}), repo="x")
    data = save(engine, "x")
    engine.images.remove(image.id)
    engine.content.remove(image.layers[0].digest)
    first = load(engine, data)[0]
    assert first["status"] == "Loading layer"
    assert first["id"] == image.spec.rootfs.diff_ids[0][7:19]


@pytest.mark.parametrize("data", [b"garbage", b"", make_tar(FILES)])
def test_a_foreign_archive_is_an_error_object(engine, data):
    (item,) = load(engine, data)
    assert item["error"] == item["errorDetail"]["message"] != ""
    assert engine.images.list() == []


def test_a_truncated_archive_is_an_error_object_and_leaves_nothing(engine):
    image = import_(engine, make_tar({"big": b"x" * 2_000_000}), repo="x")
    data = save(engine, "x")
    engine.images.remove(image.id)
    engine.content.remove(image.layers[0].digest)
    assert "error" in load(engine, data[:1_000_000])[-1]
    assert engine.images.list() == []


@pytest.mark.parametrize("name", ["nosuch", "nosuch:tag", "sha256:" + "0" * 64])
def test_saving_what_isnt_there(engine, name):
    with pytest.raises(NotFound, match=f"No such image: {name}"):
        save(engine, name)


class Served:
    """A web server of one answer: head and body as given, then silence or the end."""

    def __init__(self, head, body=b"", *, hang=False):
        self._answer = f"HTTP/1.1 {head}\r\n\r\n".encode() + body
        self._hang = hang

    async def _serve(self, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self._answer)
        await writer.drain()
        if self._hang:
            await reader.read()
        writer.close()

    async def import_(self, engine, **options):
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            items = engine.importer.import_url(f"127.0.0.1:{port}/x.tar", **options)
            return port, [item async for item in items]


def test_import_of_a_url_shows_how_far_it_is(engine):
    data = make_tar(FILES, compression="gz")
    port, items = asyncio.run(
        Served(f"200 OK\r\nContent-Length: {len(data)}", data).import_(engine, repo="imp")
    )
    assert items[0] == {"status": f"Downloading from http://127.0.0.1:{port}/x.tar"}
    assert items[1]["status"] == "Importing"
    assert "id" not in items[1]
    assert items[-2]["progressDetail"] == {"current": len(data), "total": len(data)}
    image = engine.images.resolve("imp")
    assert items[-1] == {"status": image.id}
    assert image.spec.comment == f"Imported from 127.0.0.1:{port}/x.tar"


@pytest.mark.parametrize(
    ("served", "message"),
    [
        (Served("404 Not Found\r\nContent-Length: 4", b"gone"), "with status 404 Not Found: gone"),
        (Served("200 OK\r\nContent-Length: 2000000"), "larger than"),
        (Served("200 OK\r\nConnection: close", bytes(2 << 20)), "larger than"),
        (
            Served("200 OK\r\nContent-Length: 9000", bytes(10), hang=True),
            r"^Get \"http.*deadline exceeded",
        ),
        (Served("200 OK\r\nContent-Length: 9000", bytes(10)), r"^Get \"http.*payload"),
        (Served("302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0"), "Get "),
    ],
)
def test_a_url_that_gives_no_archive_leaves_nothing(engine, served, message):
    with pytest.raises(SampanError, match=message):
        asyncio.run(served.import_(engine, repo="imp"))
    assert engine.images.list() == []


@pytest.mark.parametrize("source", ["file:///etc/passwd", "ftp://x/y"])
def test_only_web_addresses_are_fetched(engine, source):
    async def run():
        return [item async for item in engine.importer.import_url(source)]

    with pytest.raises(InvalidArgument, match="unsupported protocol scheme"):
        asyncio.run(run())
