"""Which records of the build cache a prune takes, and in which order."""

import pytest

from sampan.engine.build_cache_request import parse_prune_query, parse_terms
from sampan.engine.build_cache_use import CacheRecord, PruneWish, choose
from sampan.errors import InvalidArgument
from sampan.wire.filters import Filters

HOUR_NS = 3600 * 1_000_000_000
NOW_NS = 1000 * HOUR_NS


def record(name, *, size=10, age=1, shared=False, in_use=False, kind="regular", created=0):
    return CacheRecord(
        id=name,
        kind=kind,
        description=f"RUN {name}",
        in_use=in_use,
        shared=shared,
        size_bytes=size,
        created_ns=created,
        used_ns=NOW_NS - age * HOUR_NS,
        uses=0,
    )


def chosen(records, wish, free_bytes=10**12):
    return [one.id for one in choose(records, wish, now_ns=NOW_NS, free_bytes=free_bytes)]


def test_least_recently_used_first_and_later_steps_before_earlier_ones():
    records = [record("new", age=1), record("a", age=5, created=1), record("b", age=5, created=2)]
    assert chosen(records, PruneWish()) == ["b", "a", "new"]


def test_what_is_in_use_never_goes_and_what_is_shared_only_with_all():
    records = [record("used", in_use=True), record("shared", shared=True), record("own")]
    assert chosen(records, PruneWish()) == ["own"]
    assert chosen(records, PruneWish(everything=True)) == ["own", "shared"]


def test_down_to_a_bound():
    records = [record("a", age=3), record("b", age=2), record("c", age=1)]
    assert chosen(records, PruneWish(max_used_bytes=25)) == ["a"]
    assert chosen(records, PruneWish(max_used_bytes=30)) == []
    assert chosen(records, PruneWish(max_used_bytes=5, reserved_bytes=20)) == ["a"]


def test_until_there_is_room_on_the_disk():
    records = [record("a", age=3), record("b", age=2), record("c", age=1)]
    wish = PruneWish(min_free_bytes=100)
    assert chosen(records, wish, free_bytes=85) == ["a", "b"]
    assert chosen(records, PruneWish(min_free_bytes=100, reserved_bytes=1), free_bytes=200) == [
        "a",
        "b",
        "c",
    ]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"id": ("m",)}, ["mount"]),
        ({"type": ("exec.cachemount",)}, ["mount"]),
        ({"description": ("RUN st",)}, ["step"]),
        ({"private": ("true",)}, ["mount", "step"]),
        ({"shared": ("true",)}, ["shared"]),
    ],
)
def test_filters(filters, names):
    records = [
        record("step"),
        record("mount", kind="exec.cachemount"),
        record("shared", shared=True),
    ]
    found = chosen(records, PruneWish(everything=True, filters=Filters(filters)))
    assert sorted(found) == names


def test_records_have_no_labels():
    records = [record("a")]
    assert chosen(records, PruneWish(filters=Filters({"label": ("x=y",)}))) == []
    assert chosen(records, PruneWish(filters=Filters({"label!": ("x=y",)}))) == ["a"]


def test_unused_for_a_while():
    records = [record("old", age=30), record("new", age=2)]
    assert chosen(records, PruneWish(unused_for_ns=24 * HOUR_NS)) == ["old"]


def test_query_of_the_api():
    query = {
        "all": "1",
        "filters": '{"until": {"24h": true}, "id": {"abc": true}}',
        "keep-storage": "7",
        "max-used-space": "9",
    }
    wish = parse_prune_query(lambda name: query.get(name, ""))
    assert wish.everything
    assert wish.filters.get("id") == ("abc",)
    assert abs(wish.unused_for_ns - 24 * HOUR_NS) < HOUR_NS
    assert (wish.reserved_bytes, wish.max_used_bytes, wish.min_free_bytes) == (7, 9, 0)


@pytest.mark.parametrize(
    "query",
    [
        {"keep-storage": "much"},
        {"filters": '{"until": ["24h", "48h"]}'},
        {"filters": '{"until": ["whenever"]}'},
    ],
)
def test_query_that_makes_no_sense(query):
    with pytest.raises(InvalidArgument):
        parse_prune_query(lambda name: query.get(name, ""))


def test_terms_of_buildkit():
    found = parse_terms(["id~=abc", "type==regular", "shared"])
    assert found.values == {"id": ("abc",), "type": ("regular",), "shared": ("true",)}
    with pytest.raises(InvalidArgument):
        parse_terms(["type!=regular"])
