"""Whatever a file says, loading ends with a project or with an error meant for users."""

import copy
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.compose.encode import to_json, to_yaml
from sampan.compose.hashes import service_hash
from sampan.compose.load import LoadOptions, load_project
from sampan.compose.render import project_json, project_yaml
from sampan.errors import SampanError

BASE = {
    "name": "x",
    "services": {
        "web": {
            "image": "a:${TAG:-1}",
            "build": {"context": ".", "args": {"A": 1}, "ssh": ["default"], "secrets": ["s"]},
            "command": "run me",
            "depends_on": {"db": {"condition": "service_healthy"}},
            "deploy": {
                "replicas": 2,
                "resources": {"reservations": {"devices": [{"capabilities": ["gpu"]}]}},
            },
            "develop": {"watch": [{"path": ".", "action": "rebuild", "ignore": "x"}]},
            "devices": ["/dev/a:/dev/b"],
            "dns": "1.1.1.1",
            "environment": {"A": 1, "B": None},
            "expose": [80],
            "extra_hosts": {"a": ["1.1.1.1"]},
            "healthcheck": {"test": "x", "interval": "1m", "retries": 3},
            "labels": ["a=1"],
            "links": ["db:alias"],
            "logging": {"driver": "x", "options": {"a": 1}},
            "networks": {"n": {"aliases": ["w"]}},
            "ports": ["80-82:80-82", {"target": 80, "published": 8080}],
            "post_start": [{"command": "x", "environment": ["A"]}],
            "secrets": [{"source": "s", "mode": "0400"}],
            "tmpfs": "/t",
            "ulimits": {"nofile": {"soft": 1, "hard": 2}},
            "volumes": ["data:/d:ro", {"type": "bind", "source": ".", "target": "/b"}],
            "volumes_from": ["db:ro"],
        },
        "db": {"extends": "base", "image": "b"},
        "base": {"image": "c", "env_file": [{"path": "no.env", "required": False}]},
    },
    "networks": {"n": {"ipam": {"config": [{"subnet": "10.0.0.0/8"}]}}},
    "volumes": {"data": {"external": {"name": "y"}}},
    "secrets": {"s": {"file": "./s"}},
    "configs": {"c": {"content": "x"}},
}
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 2**70)
    | st.floats()
    | st.text("ab:/=,.$@{}!&*#-\n\\' \"0é🚢", max_size=8)
    | st.sampled_from(["80:80", "/a:/b", "${X}", "service:web", "web", "1g", "5s", "x-a"])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["image", "target", "x-y", "context", "a"]), inner)
    ),
    max_leaves=5,
)


def places(tree, path=()):
    yield path
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from places(value, (*path, key))


def changed(path, value):
    tree = copy.deepcopy(BASE)
    place = tree
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return tree


def use(options):
    try:
        project = load_project(options)
    except SampanError:
        return
    json.loads(to_json(project_json(project)))
    assert to_yaml(project_yaml(project))
    for service in project.services.values():
        assert len(service_hash(service)) == 64


CHANGES = st.tuples(st.sampled_from([path for path in places(BASE) if path]), VALUES)


@settings(max_examples=150, deadline=None)
@given(CHANGES, CHANGES)
def test_odd_values_anywhere_in_two_files(tmp_path_factory, first, second):
    folder = tmp_path_factory.getbasetemp()
    for name, change in (("one.yaml", first), ("two.yaml", second)):
        (folder / name).write_text(json.dumps(changed(*change)))
    use(LoadOptions(files=["one.yaml", "two.yaml"], working_directory=folder))


@settings(max_examples=150, deadline=None)
@given(st.text("a:-?{}[],&*!|>'\"%@#\n\t 0<é\\", max_size=60))
def test_any_text_at_all(text):
    use(LoadOptions(files=["-"], stdin=text))
