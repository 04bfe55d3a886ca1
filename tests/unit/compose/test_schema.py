"""Our walk of the schema against the jsonschema package's verdict."""

import copy

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.compose.failures import BadKey
from sampan.compose.schema import COMPOSE, STACK, check, load_schema

VALIDATOR = jsonschema.Draft202012Validator(load_schema(COMPOSE))
GOOD = {
    "services": {
        "web": {
            "image": "a",
            "build": {"context": ".", "args": ["A=1"]},
            "ports": ["80", 81, {"target": 82}],
            "environment": {"A": 1, "B": None},
            "deploy": {"replicas": 2, "resources": {"limits": {"cpus": "1"}}},
            "healthcheck": {"test": ["CMD", "x"], "retries": 3},
            "volumes": [{"type": "bind", "source": ".", "target": "/x"}],
            "ulimits": {"nofile": {"soft": 1, "hard": 2}},
            "x-own": {"anything": [1]},
        }
    },
    "networks": {"n": {"ipam": {"config": [{"subnet": "10.0.0.0/8"}]}}, "m": None},
    "volumes": {"v": {"external": True}},
}
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 5),
    st.text("ab:/", max_size=3),
    st.just(1.5),
    st.just([]),
    st.just({}),
    st.just(["a", "a"]),
    st.just([1, {"a": 2}]),
    st.just({"a": None}),
)


def places(tree, path=()):
    yield path
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from places(value, (*path, key))


def verdict(tree):
    try:
        check(tree)
    except BadKey:
        return False
    return True


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([path for path in places(GOOD) if path]), VALUES, st.booleans())
def test_verdicts_are_those_of_a_full_validator(path, value, add):
    tree = copy.deepcopy(GOOD)
    place = tree
    for key in path[:-1]:
        place = place[key]
    if add and isinstance(place, dict):
        place["added"] = value
    else:
        place[path[-1]] = value
    assert verdict(tree) == VALIDATOR.is_valid(tree)


def test_the_most_specific_fault_is_told():
    tree = {"services": {"web": {"build": {"contxt": "."}}}}
    with pytest.raises(BadKey) as caught:
        check(tree)
    assert caught.value.path == ("services", "web", "build")
    assert caught.value.text == "services.web.build additional properties 'contxt' not allowed"


@pytest.mark.parametrize(
    ("service", "good"),
    [
        ({"image": "a", "healthcheck": {"interval": "1m30s"}}, True),
        ({"image": "a", "healthcheck": {"interval": "soon"}}, False),
        ({"image": "a", "expose": ["80/tcp"]}, True),
        ({"image": "a", "profiles": ["x"]}, False),
    ],
)
def test_stacks_have_a_schema_of_their_own(service, good):
    tree = {"version": "3.13", "services": {"web": service}}
    if good:
        check(tree, STACK)
    else:
        with pytest.raises(BadKey):
            check(tree, STACK)
