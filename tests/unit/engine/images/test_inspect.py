"""Against what dockerd 20.10 answered about the image in golden/app.tar.gz."""

import asyncio
import json
from pathlib import Path

import pytest
from archives import once

from sampan.engine.images.inspect import PlatformMismatch
from sampan.errors import NotFound
from sampan.oci.platform import parse_platform
from sampan.wire.codec import to_plain
from sampan.wire.images import inspect_for, summary_for

GOLDEN = Path(__file__).parent / "golden"
API = (1, 41)


def golden(name):
    return json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.fixture
def loaded(engine):
    async def main():
        data = (GOLDEN / "app.tar.gz").read_bytes()
        return [item async for item in engine.loader.load(once(data), quiet=True)]

    assert {item["stream"] for item in asyncio.run(main())} == {
        "Loaded image: example/app:1\n",
        "Loaded image: other:latest\n",
    }
    return engine


def test_inspect_is_as_dockers(loaded):
    found = inspect_for(API, asyncio.run(loaded.inspector.inspect("example/app:1")))
    expected = golden("inspect")
    for data in (found, expected):
        for member in ("Metadata", "Parent"):  # of the machine; parents weren't loaded
            del data[member]
        data["Config"]["Image"] = ""
    driver, other = found.pop("GraphDriver"), expected.pop("GraphDriver")
    assert found == expected
    assert driver["Name"] == other["Name"]
    assert set(driver["Data"]) == set(other["Data"])
    assert Path(driver["Data"]["UpperDir"]).is_dir()


def test_history_is_as_dockers(loaded):
    found = to_plain(asyncio.run(loaded.inspector.history("other")))
    expected = golden("history")
    for step in expected[1:]:
        step["Id"] = "<missing>"  # parents aren't in the archive
    assert found == expected


def test_list_is_as_dockers(loaded):
    found = [summary_for(API, item) for item in asyncio.run(loaded.listing.list())]
    expected = golden("list")
    for row in expected:
        row["ParentId"] = ""
        row["RepoDigests"] = row["RepoDigests"] or []  # null until 1.43, [] in newer engines
    assert found == expected


def test_versions_differ_in_what_they_show(engine):
    engine.tag(engine.image(("a", 5)), "plain")
    image = asyncio.run(engine.inspector.inspect("plain"))
    assert inspect_for((1, 43), image)["VirtualSize"] == 5
    assert inspect_for((1, 44), image)["ContainerConfig"]["Cmd"] is None
    assert "VirtualSize" not in inspect_for((1, 51), image)
    assert inspect_for((1, 51), image)["ContainerConfig"]["Volumes"] is None


def test_history_names_parents_that_are_here(engine):
    base = engine.tag(engine.image(("a", 5)), "base")
    engine.tag(engine.image(None, ("b", 7), parent=base), "app")
    steps = asyncio.run(engine.inspector.history("app"))
    assert [step.Size for step in steps] == [7, 0, 5]
    assert [step.Id for step in steps][1:] == [base.id, "<missing>"]
    assert steps[1].Tags == ["base:latest"]


def test_unknown_images_and_platforms(engine):
    engine.tag(engine.image(("a", 1)), "x")
    with pytest.raises(NotFound, match=r"^No such image: nosuch:latest$"):
        asyncio.run(engine.inspector.inspect("nosuch"))
    with pytest.raises(PlatformMismatch):
        asyncio.run(engine.inspector.inspect("x", platform=parse_platform("linux/arm64")))
