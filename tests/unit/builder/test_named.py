"""Names that the client gives a meaning."""

from sampan.builder.named import NamedImage, NamedSources


def test_names_match_in_every_spelling():
    meaning = NamedImage("other")
    sources = NamedSources({"Alpine": meaning})
    for name in ("alpine", "ALPINE", "alpine:latest", "docker.io/library/alpine"):
        assert sources.find(name) is meaning
    assert sources.find("alpine:3") is None


def test_names_that_are_no_image_names_match_as_they_are():
    meaning = NamedImage("other")
    assert NamedSources({"a b": meaning}).find("A b") is meaning
    assert NamedSources({}).find("a") is None
