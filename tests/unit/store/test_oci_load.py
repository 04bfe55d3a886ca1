# ruff: noqa: PTH208 - names are what is compared
"""Archives of all engines are taken in; damaged ones change nothing that can be seen."""

import gzip
import hashlib
import io
import json
import os
import tarfile

import pytest

from sampan.errors import DataLoss, InvalidArgument
from sampan.oci import mediatypes
from sampan.oci.digest import chain_ids, sha256_of
from sampan.oci.reference import parse_reference
from sampan.store.oci_load import ImageLoader
from sampan.store.oci_save import ImageSaver


@pytest.fixture
def loader(store):
    return ImageLoader(
        content=store.content,
        snapshotter=store.snapshotter,
        images=store.images,
        unpacker=store.unpacker,
        leases=store.leases,
    )


def config_of(*plains, comment=""):
    diff_ids = [sha256_of(plain) for plain in plains]
    document = {"os": "linux", "comment": comment, "rootfs": {"diff_ids": diff_ids}}
    return json.dumps(document).encode()


def hexed(data):
    return hashlib.sha256(data).hexdigest()


def archive(files, links=()):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as found:
        for name, target in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            found.addfile(member)
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            found.addfile(member, io.BytesIO(data))
    return out.getvalue()


def legacy(config, layers, tags=("app:1",), paths=None):
    """As engines before 25 wrote it."""
    paths = paths or [f"{number:064x}/layer.tar" for number in range(len(layers))]
    name = f"{hexed(config)}.json"
    manifest = [{"Config": name, "RepoTags": list(tags) or None, "Layers": paths}]
    files = dict(zip(paths, layers, strict=True))
    files |= {f"{paths[0].split('/')[0]}/VERSION": b"1.0", f"{paths[0].split('/')[0]}/json": b"{}"}
    return {**files, name: config, "manifest.json": json.dumps(manifest).encode()}


def load(loader, data):
    return loader.load(io.BytesIO(data))


@pytest.fixture
def layers(make_tar):
    return [make_tar({"a": b"1" * 3000}), make_tar({"b": b"2", ".wh.a": b""})]


def test_archives_of_old_engines_are_taken_in(store, loader, layers):
    config = config_of(*layers)
    (loaded,) = load(loader, archive(legacy(config, layers)))
    image = loaded.image
    assert image.id == sha256_of(config)
    assert [name.familiar for name in loaded.references] == ["app:1"]
    assert store.images.resolve("app:1") == image
    assert image.size_bytes == 3001
    assert (store.snapshotter.upper(image.chain_id) / "b").read_text() == "2"
    assert [layer.digest for layer in image.layers] == [sha256_of(data) for data in layers]


def test_compressed_layers_and_compressed_archives(store, loader, layers):
    packed = [gzip.compress(layers[0]), layers[1]]
    (loaded,) = load(loader, gzip.compress(archive(legacy(config_of(*layers), packed))))
    assert loaded.image.layers[0].digest == sha256_of(packed[0])
    assert loaded.image.layers[0].mediaType == mediatypes.DOCKER_LAYER_GZIP


def test_layers_that_are_links_to_others(store, loader, layers):
    config = config_of(layers[0], layers[0])
    files = legacy(config, [layers[0]], paths=["1/layer.tar"])
    manifest = json.loads(files["manifest.json"])
    manifest[0]["Layers"] = ["1/layer.tar", "2/layer.tar"]
    files["manifest.json"] = json.dumps(manifest).encode()
    (loaded,) = load(loader, archive(files, links=[("2/layer.tar", "../1/layer.tar")]))
    assert len(loaded.image.layers) == 2
    assert len(store.snapshotter.lowers(loaded.image.chain_id)) == 1


@pytest.mark.parametrize("prefix", ["../", "./", "/", "z/../", "../../"])
def test_names_are_those_of_a_root_of_its_own(loader, layers, prefix):
    files = legacy(config_of(*layers), layers)
    renamed = {f"{prefix}{name}": data for name, data in files.items()} | {"../evil": b"x"}
    (loaded,) = load(loader, archive(renamed))
    assert [name.familiar for name in loaded.references] == ["app:1"]


def test_oci_layouts_without_dockers_manifest(store, loader, layers):
    config, packed = config_of(*layers), [gzip.compress(data) for data in layers]

    def entry(kind, data, **more):
        return {"mediaType": kind, "digest": sha256_of(data), "size": len(data), **more}

    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "config": entry(mediatypes.OCI_CONFIG, config),
            "layers": [entry(mediatypes.OCI_LAYER_GZIP, data) for data in packed],
        }
    ).encode()
    names = [
        {"annotations": {"io.containerd.image.name": "docker.io/library/app:1"}},
        {"annotations": {"org.opencontainers.image.ref.name": "reg.example/app:2"}},
        {"annotations": {"org.opencontainers.image.ref.name": "latest"}},
    ]
    index = {
        "schemaVersion": 2,
        "manifests": [entry(mediatypes.OCI_MANIFEST, manifest, **name) for name in names],
    }
    files = {f"blobs/sha256/{hexed(data)}": data for data in (config, manifest, *packed)}
    files |= {"index.json": json.dumps(index).encode(), "oci-layout": b"{}"}
    (loaded,) = load(loader, archive(files))
    assert [name.familiar for name in loaded.references] == ["app:1", "reg.example/app:2"]


def test_names_that_move_are_told(store, loader, layers):
    (one,) = load(loader, archive(legacy(config_of(layers[0]), layers[:1])))
    (two,) = load(loader, archive(legacy(config_of(layers[0], comment="new"), layers[:1])))
    assert two.replaced == ((parse_reference("app:1"), one.image.id),)
    assert store.images.references(one.image.id) == []


def test_blobs_that_are_there_are_not_taken_in_again(store, loader, layers, tmp_path):
    (loaded,) = load(loader, archive(legacy(config_of(*layers), layers)))
    out = io.BytesIO()
    ImageSaver(store.content).save([(loaded.image, loaded.references)], out)
    seen = []
    (again,) = loader.load(io.BytesIO(out.getvalue()), lambda *facts: seen.append(facts))
    assert again.image.id == loaded.image.id
    assert seen == []


def test_one_layer_in_two_images_at_different_places(store, loader, layers):
    one = legacy(config_of(layers[0]), layers[:1], ["a:1"], ["1/layer.tar"])
    two = legacy(
        config_of(layers[1], layers[0]), layers[::-1], ["b:1"], ["2/layer.tar", "1/layer.tar"]
    )
    manifest = json.loads(one["manifest.json"]) + json.loads(two["manifest.json"])
    found = load(loader, archive({**one, **two, "manifest.json": json.dumps(manifest).encode()}))
    for loaded in found:
        assert (store.snapshotter.upper(loaded.image.chain_id) / "a").exists()


def assert_nothing_seen(store, tmp_path):
    assert store.images.list() == []
    assert list(store.snapshotter.walk()) == []
    assert os.listdir(tmp_path / "snapshots") == ["empty"]
    assert os.listdir(tmp_path / "content/ingest") == []


@pytest.mark.parametrize("data", [b"garbage\n", b"garbage" * 1000, b""])
def test_what_is_no_archive_is_refused(store, loader, tmp_path, data):
    with pytest.raises(InvalidArgument):
        load(loader, data)
    assert_nothing_seen(store, tmp_path)


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6])
def test_truncated_archives_are_refused(store, loader, layers, tmp_path, part):
    data = archive(legacy(config_of(*layers), layers)).rstrip(b"\0")
    with pytest.raises(InvalidArgument):
        load(loader, data[: int(len(data) * part)])
    assert_nothing_seen(store, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda files, manifest: manifest[0].update(Layers=["nosuch/layer.tar"]),
        lambda files, manifest: manifest[0].update(Layers=[]),
        lambda files, manifest: manifest[0].update(Config="../../etc/passwd"),
        lambda files, manifest: manifest[0].update(RepoTags=["Bad Name"]),
        lambda files, manifest: manifest[0].update(RepoTags=5),
        lambda files, manifest: files.pop(manifest[0]["Config"]),
        lambda files, manifest: files.update({manifest[0]["Config"]: b"{}"}),
        lambda files, manifest: files.update({manifest[0]["Layers"][0]: b"garbage" * 100}),
        lambda files, manifest: files.update({manifest[0]["Layers"][0]: bytes(1024)}),
    ],
)
def test_archives_that_lie_are_refused(store, loader, layers, tmp_path, change):
    files = legacy(config_of(*layers), layers)
    manifest = json.loads(files["manifest.json"])
    change(files, manifest)
    files["manifest.json"] = json.dumps(manifest).encode()
    with pytest.raises((InvalidArgument, DataLoss)):
        load(loader, archive(files))
    assert_nothing_seen(store, tmp_path)


def test_lies_about_layers_are_told_in_dockers_words(loader, layers):
    with pytest.raises(InvalidArgument) as caught:
        load(loader, archive(legacy(config_of(layers[0]), layers)))
    assert caught.value.message == "invalid manifest, layers length mismatch: expected 2, got 1"
    with pytest.raises(InvalidArgument) as caught:
        load(loader, archive(legacy(config_of(layers[0]), layers[1:])))
    first, second = (sha256_of(data) for data in layers)
    assert caught.value.message == (
        f'invalid diffID for layer 0: expected "{first}", got "{second}"'
    )


@pytest.mark.parametrize("body", [b'{"a": 1}', b"not the layer at all"])
def test_blobs_under_a_wrong_name_are_refused(store, loader, tmp_path, body, make_tar):
    if not body.startswith(b"{"):
        body = make_tar({"a": body})
    name = f"blobs/sha256/{hexed(b'other')}"
    with pytest.raises(DataLoss, match="digest"):
        load(loader, archive({name: body, "manifest.json": b"[]"}))
    assert_nothing_seen(store, tmp_path)


def test_an_archive_without_an_index_says_so(store, loader):
    with pytest.raises(InvalidArgument, match=r"manifest\.json"):
        load(loader, archive({"some": b"file"}))


def test_link_loops_end(store, loader, layers):
    files = legacy(config_of(layers[0]), layers[:1], paths=["1/layer.tar"])
    manifest = json.loads(files["manifest.json"])
    manifest[0]["Layers"] = ["a"]
    files["manifest.json"] = json.dumps(manifest).encode()
    with pytest.raises(InvalidArgument, match="links"):
        load(loader, archive(files, links=[("a", "b"), ("b", "a")]))


def test_what_is_saved_is_what_is_loaded(store, loader, layers, tmp_path):
    packed = [gzip.compress(data) for data in layers]
    (loaded,) = load(loader, archive(legacy(config_of(*layers), packed, ["app:1", "x/y:2"])))

    def saved():
        out = io.BytesIO()
        ImageSaver(store.content).save([(loaded.image, loaded.references)], out)
        return out.getvalue()

    data = saved()
    assert data == saved()
    with tarfile.open(fileobj=io.BytesIO(data)) as found:
        read = {member.name: member for member in found.getmembers()}
        (manifest,) = json.load(found.extractfile("manifest.json"))
        names = json.load(found.extractfile("repositories"))
        index = json.load(found.extractfile("index.json"))
        for path, plain in zip(manifest["Layers"], layers, strict=True):
            assert found.extractfile(path).read() == plain
        config = found.extractfile(manifest["Config"]).read()
    assert sha256_of(config) == loaded.image.id
    assert manifest["RepoTags"] == ["app:1", "x/y:2"]
    assert set(names) == {"app", "x/y"}
    assert len(index["manifests"]) == 2
    assert "oci-layout" in read
    for image in store.images.list():
        store.images.remove(image.id)
    for snapshot in reversed(list(store.snapshotter.walk())):
        store.snapshotter.remove(snapshot.key)
    for digest in list(store.content.list()):
        store.content.remove(digest)
    (again,) = load(loader, data)
    assert again.image.id == loaded.image.id
    assert again.references == loaded.references
    assert chain_ids(again.image.spec.rootfs.diff_ids)[-1] == again.image.chain_id
