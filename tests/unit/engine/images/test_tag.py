import asyncio

import pytest

from sampan.errors import InvalidArgument, NotFound


def tag(engine, *arguments):
    asyncio.run(engine.tagger.tag(*arguments))


def test_a_name_is_given_and_moves(engine):
    one, two = engine.tag(engine.image(("a", 1)), "one"), engine.image(("b", 1))
    tag(engine, "one", "new/name", "v")
    assert engine.images.resolve("new/name:v").id == one.id
    tag(engine, two.id, "new/name", "v")
    assert engine.images.resolve("new/name:v").id == two.id
    tag(engine, "one", "docker.io/library/other")
    assert engine.images.resolve("other").id == one.id
    assert ("tag", two.id, "new/name:v") in engine.seen()


@pytest.mark.parametrize(
    ("repo", "tag_", "words"),
    [
        ("FOO", "x", "must be lowercase"),
        ("foo", "b az", "invalid tag format"),
        ("", "", "invalid reference format"),
        ("sha256", "b", "refusing to create an ambiguous tag"),
        ("x@sha256:" + "0" * 64, "", "refusing to create a tag with a digest reference"),
    ],
)
def test_bad_names_are_refused(engine, repo, tag_, words):
    engine.tag(engine.image(("a", 1)), "one")
    with pytest.raises(InvalidArgument, match=words):
        tag(engine, "one", repo, tag_)


def test_unknown_source(engine):
    with pytest.raises(NotFound, match=r"^No such image: nosuch:latest$"):
        tag(engine, "nosuch", "a", "b")
