"""`system df` against `du` on the data root, and the fields that clients read."""

import json
import os
import subprocess

import pytest

from integration.harness import BUSYBOX

pytestmark = pytest.mark.integration

MEGABYTE = 1 << 20
DOCKERFILE = """FROM busybox
RUN dd if=/dev/urandom of=/big bs=1M count=5
RUN mkdir /many && for i in $(seq 3000); do echo $i > /many/$i; done
"""


def du(*paths):
    """Bytes below all of `paths`, without the directories themselves."""
    command = ["du", "-s", "-c", "-B1", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1].split()[0])


def near(found, expected):
    return abs(found - expected) <= expected / 100


@pytest.fixture(scope="module")
def filled(file_engine, tmp_path_factory):
    """Two images that share layers, two containers that wrote, a volume."""
    folder = tmp_path_factory.mktemp("context")
    (folder / "Dockerfile").write_text(DOCKERFILE)
    file_engine.docker("build", "-q", "-t", "made", folder)
    write = "dd if=/dev/urandom of=/mine bs=1M count=4; dd if=/dev/urandom of=/v/f bs=1M count=3"
    for name in ("one", "two"):
        words = ("run", "--name", name, "-v", f"vol-{name}:/v", "made", "sh", "-c", write)
        file_engine.docker(*words)
    file_engine.docker("run", "-d", "--name", "running", "-v", "vol-one:/v", BUSYBOX, "top")
    file_engine.docker("volume", "create", "unused")
    os.sync()
    return file_engine


def usage(engine):
    lines = engine.sampan("system", "df", "--format", "json").stdout.splitlines()
    return {row["Type"]: row for row in map(json.loads, lines)}


def raw(engine, query=""):
    command = ["curl", "-sf", "--unix-socket", engine.socket, f"http://x/v1.51/system/df{query}"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def test_totals_are_those_of_du(filled):
    data = filled.home / "data"
    found = raw(filled)
    containers = {row["Names"][0].strip("/"): row for row in found["Containers"]}
    layers = [data / "content" / "blobs"]
    active = []
    for folder in (data / "snapshots").iterdir():
        (active if (folder / "work").exists() else layers).append(folder)
    assert near(found["LayersSize"], du(*layers))
    assert near(sum(row.get("SizeRw", 0) for row in containers.values()), du(*active))
    assert near(containers["one"]["SizeRw"], 4 * MEGABYTE)
    volumes = {row["Name"]: row["UsageData"] for row in found["Volumes"]}
    assert near(sum(row["Size"] for row in volumes.values()), du(data / "volumes"))
    assert volumes["unused"] == {"Size": 0, "RefCount": 0}
    assert volumes["vol-one"]["RefCount"] == 2


def test_images_add_up(filled):
    found = raw(filled, "?type=image")
    images = {row["RepoTags"][0]: row for row in found["Images"]}
    made, base = images["made:latest"], images[BUSYBOX]
    assert made["Containers"] == 2
    assert base["SharedSize"] > MEGABYTE
    assert made["Size"] - base["SharedSize"] > 5 * MEGABYTE
    assert near(made["Size"] + base["Size"] - base["SharedSize"], found["LayersSize"])
    assert found["Containers"] is None
    assert found["Volumes"] is None


def test_build_cache_is_listed_as_shared(filled):
    rows = raw(filled, "?type=build-cache")["BuildCache"]
    assert len(rows) == 2
    big = next(row for row in rows if "of=/big" in row["Description"])
    assert near(big["Size"], 2 * 5 * MEGABYTE)  # unpacked, and as the blob of the layer
    assert (big["Shared"], big["Type"]) == (True, "regular")
    assert big["LastUsedAt"] >= big["CreatedAt"]


def test_summary_and_details_are_the_same_in_both_clients(filled):
    for words in (("system", "df"), ("system", "df", "--format", "{{json .}}")):
        assert filled.sampan(*words).stdout == filled.docker(*words).stdout
    details = filled.docker("system", "df", "-v").stdout
    assert "vol-two" in details
    assert filled.sampan("system", "df", "-v").stdout.splitlines()[:5] == details.splitlines()[:5]
    rows = usage(filled)
    assert (rows["Containers"]["TotalCount"], rows["Containers"]["Active"]) == ("3", "1")
    assert rows["Build Cache"]["Size"] == "0B"


def test_container_that_wrote_nothing_has_its_mount_points_only(filled):
    row = next(one for one in raw(filled)["Containers"] if one["Names"] == ["/running"])
    assert row.get("SizeRw", 0) < 64 << 10
