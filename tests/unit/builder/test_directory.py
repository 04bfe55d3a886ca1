"""Files of another stage: what its links name is looked up in the stage, never on this machine."""

import pytest

from sampan.builder.directory import DirectoryTree
from sampan.builder.selection import SourceMissing, select
from sampan.builder.trees import resolve, walk


@pytest.fixture
def stage(tmp_path):
    root, host = tmp_path / "root", tmp_path / "host"
    for folder in (root / "inner", host):
        folder.mkdir(parents=True)
    (host / "secret").write_text("the host's")
    (root / "inner/own").write_text("own")
    (root / "out").symlink_to(host)  # absolute: of this machine, if it were followed there
    (root / "up").symlink_to("../../../../../../.." + str(host))
    (root / "within").symlink_to("/inner")
    return DirectoryTree(root)


def names(tree, source):
    found = select(tree, source, keyword="COPY", from_context=False)
    return [name or one.path for one in found for name, _ in one.entries()]


@pytest.mark.parametrize("source", ["out/secret", "/out/secret", "up/secret", "../host/secret"])
def test_links_of_the_stage_do_not_lead_to_the_host(stage, source):
    with pytest.raises(SourceMissing):
        names(stage, source)


@pytest.mark.parametrize("source", ["out/*", "up/*", "o*/s*"])
def test_patterns_do_not_list_the_host(stage, source):
    listed = []
    tree_names = stage.names
    stage.names = lambda path: listed.append(path) or tree_names(path)
    assert names(stage, source) == []
    assert not {"out", "up"} & set(listed)


def test_patterns_go_through_links_of_the_stage(stage):
    assert names(stage, "within/*") == ["inner/own"]
    assert resolve(stage, "within/own").path == "inner/own"


def test_very_deep_trees_are_walked(tmp_path):
    folder = tmp_path
    for _ in range(1500):
        folder /= "d"
        folder.mkdir()
    assert sum(1 for _ in walk(DirectoryTree(tmp_path), "")) == 1500
