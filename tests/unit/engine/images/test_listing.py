import asyncio

import pytest

from sampan.errors import InvalidArgument, NotFound
from sampan.oci.digest import sha256_of
from sampan.wire.filters import Filters
from sampan.wire.images import summary_for


def listed(engine, *, filters=None, **options):
    return asyncio.run(engine.listing.list(filters=Filters(filters or {}), **options))


def names(engine, **options):
    return [tuple(item.RepoTags) for item in listed(engine, **options)]


def test_intermediate_images_are_shown_only_with_all(engine):
    base = engine.tag(engine.image(("a", 1)), "base")
    middle = engine.image(None, parent=base)
    engine.tag(engine.image(None, parent=middle, labels={"x": "y"}), "app")
    assert set(names(engine)) == {("app:latest",), ("base:latest",)}
    assert len(names(engine, all_=True)) == 3


def test_newest_comes_first_and_members_are_filled(engine):
    engine.tag(engine.image(("a", 7), created="2026-01-01T00:00:00Z"), "old")
    new = engine.tag(
        engine.image(("b", 8), created="2026-01-02T00:00:00Z", labels={"k": "v"}), "new"
    )
    first, second = listed(engine)
    assert (first.RepoTags, second.RepoTags) == (["new:latest"], ["old:latest"])
    assert (first.Id, first.Size, first.Labels, first.Created) == (
        new.id,
        8,
        {"k": "v"},
        1767312000,
    )
    assert (second.Labels, second.SharedSize, second.Containers) == (None, -1, -1)


def test_reference_filter_narrows_images_and_names(engine):
    image = engine.tag(engine.image(("a", 1)), "foo/bar:one", "foo/bar:two", "other")
    digest = sha256_of(b"m")
    engine.images.record_digest("docker.io/foo/bar", digest, image.id)
    (found,) = listed(engine, filters={"reference": ("foo/bar:o*",)})
    assert (found.RepoTags, found.RepoDigests) == (["foo/bar:one"], [])
    (found,) = listed(engine, filters={"reference": ("foo/*",)})
    assert found.RepoDigests == [f"foo/bar@{digest}"]
    assert names(engine, filters={"reference": ("foo",)}) == []


@pytest.mark.parametrize("bad", ["[bad", "a[", "a\\", "[b-a]", "[]"])
def test_a_malformed_pattern_is_refused(engine, bad):
    engine.tag(engine.image(("a", 1)), "x")
    with pytest.raises(InvalidArgument, match="syntax error in pattern"):
        listed(engine, filters={"reference": (bad,)})


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [("b?sybox", True), ("b[t-v]sybox", True), ("b[^u]sybox", False), ("*/busybox", False)],
)
def test_patterns_are_gos(engine, pattern, matches):
    engine.tag(engine.image(("a", 1)), "busybox")
    assert bool(listed(engine, filters={"reference": (pattern,)})) is matches


def test_dangling(engine):
    engine.tag(engine.image(("a", 1)), "named")
    nameless = engine.image(("b", 1))
    by_digest = engine.image(("c", 1))
    engine.images.record_digest("docker.io/x/y", sha256_of(b"m"), by_digest.id)
    found = {item.Id for item in listed(engine, filters={"dangling": ("true",)})}
    assert found == {nameless.id, by_digest.id}
    found = {item.Id for item in listed(engine, filters={"dangling": ("false",)})}
    assert nameless.id not in found
    assert len(found) == 2


def test_before_since_until_and_labels(engine):
    for day in (1, 2, 3):
        engine.tag(
            engine.image(
                (str(day), 1), created=f"2026-01-0{day}T00:00:00Z", labels={"d": str(day)}
            ),
            f"day{day}",
        )
    assert names(engine, filters={"before": ("day2",)}) == [("day1:latest",)]
    assert names(engine, filters={"since": ("day2",)}) == [("day3:latest",)]
    assert names(engine, filters={"until": ("2026-01-01T12:00:00Z",)}) == [("day1:latest",)]
    assert names(engine, filters={"label": ("d=2",)}) == [("day2:latest",)]
    with pytest.raises(NotFound, match="No such image: nosuch:latest"):
        listed(engine, filters={"before": ("nosuch",)})


@pytest.mark.parametrize("filters", [{"nosuch": ("x",)}, {"dangling": ("x",)}])
def test_bad_filters_are_refused(engine, filters):
    engine.tag(engine.image(("a", 1)), "x")
    with pytest.raises(InvalidArgument, match=r"(?i)invalid filter"):
        listed(engine, filters=filters)


def test_shared_size_and_containers_are_counted_when_asked(engine):
    base = engine.tag(engine.image(("a", 100)), "base")
    engine.tag(engine.image(("b", 5), parent=base), "app")
    engine.users.use(base, "c" * 64)
    found = {i.RepoTags[0]: i for i in listed(engine, shared_size=True, containers=True)}
    assert found["base:latest"].SharedSize == 100
    assert found["app:latest"].SharedSize == 100
    assert found["base:latest"].Containers == 1
    assert found["app:latest"].Containers == 0


def test_older_api_versions_show_what_they_had(engine):
    engine.image(("a", 3))
    (found,) = listed(engine)
    assert summary_for((1, 51), found)["RepoTags"] == []
    old = summary_for((1, 41), found)
    assert (old["RepoTags"], old["RepoDigests"]) == (["<none>:<none>"], ["<none>@<none>"])
    assert old["VirtualSize"] == 3
