import pytest

from sampan.errors import InvalidArgument
from sampan.wire.filters import InvalidFilter, parse


def test_both_spellings_are_understood() -> None:
    assert parse('{"label":{"a=1":true,"b":false}}').get("label") == ("a=1",)
    assert parse('{"label":["a=1","b"]}').get("label") == ("a=1", "b")
    assert parse(None).get("label") == ()


def test_labels_must_all_match() -> None:
    filters = parse('{"label":["a=1","b"]}')
    assert filters.match_labels({"a": "1", "b": "anything"})
    assert not filters.match_labels({"a": "1"})
    assert not filters.match_labels({"a": "2", "b": ""})


def test_unknown_keys_are_refused_by_name() -> None:
    with pytest.raises(InvalidFilter, match="invalid filter 'nosuch'"):
        parse('{"nosuch":["1"]}').check_keys(("label",))


@pytest.mark.parametrize("text", ["[", "[]", '{"label":1}'])
def test_malformed_filters_are_invalid(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse(text)


def test_booleans_take_dockers_spellings() -> None:
    assert parse('{"dangling":["1"]}').boolean("dangling")
    assert not parse('{"dangling":["false"]}').boolean("dangling")
    with pytest.raises(InvalidFilter):
        parse('{"dangling":["maybe"]}').boolean("dangling")


def test_two_values_of_a_boolean_and_bottomless_nesting_are_invalid() -> None:
    with pytest.raises(InvalidFilter):
        parse('{"dangling":["1","0"]}').boolean("dangling")
    with pytest.raises(InvalidArgument):
        parse("[" * 100_000)


def test_patterns_are_found_anywhere_and_others_taken_as_they_are() -> None:
    filters = parse('{"name":["^ab","x+"],"id":["a("]}')
    assert filters.match_pattern("name", "abc")
    assert filters.match_pattern("name", "0xx")
    assert not filters.match_pattern("name", "cab")
    assert filters.match_pattern("id", "ba(")
    assert not filters.match_pattern("id", "ab")
    assert filters.match_pattern("driver", "whatever")
