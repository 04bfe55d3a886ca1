"""Records behave as the dataclasses that type checkers take them for."""

import pytest

from sampan.lib.records import Record, defaults, replace


class Point(Record, frozen=True):
    x: int
    y: int = 2


class Named(Point, frozen=True, kw_only=True):
    name: str = ""


class Counter(Record):
    count: int = 0


def test_fields_are_given_by_place_or_name_and_have_defaults() -> None:
    assert (Point(1).x, Point(1).y, Point(y=3, x=1).y) == (1, 2, 3)
    assert Named(x=1, name="a").name == "a"
    assert defaults(Named) == [("x", None), ("y", 2), ("name", "")]


@pytest.mark.parametrize(
    ("values", "more"),
    [((), {}), ((1, 2, 3), {}), ((1,), {"x": 1}), ((1,), {"z": 1}), ((), {"y": 1, "z": 1})],
    ids=["missing", "too many", "twice", "unknown", "unknown for missing"],
)
def test_wrong_fields_are_refused(values: tuple[int, ...], more: dict[str, int]) -> None:
    with pytest.raises(TypeError):
        Point(*values, **more)


def test_places_are_refused_where_only_names_count() -> None:
    with pytest.raises(TypeError):
        Named(1)


def test_equal_values_are_equal_and_hash_alike() -> None:
    assert Point(1) == Point(1, 2)
    assert len({Point(1), Point(1, 2), Point(2)}) == 2
    assert Point(1) != Named(x=1)


def test_frozen_ones_stay_and_others_change_in_their_fields_alone() -> None:
    with pytest.raises(AttributeError):
        Point(1).x = 2
    counter = Counter()
    counter.count += 1
    assert counter == Counter(1)
    assert Counter().count == 0
    with pytest.raises(AttributeError):
        counter.other = 1


def test_replace_changes_a_copy() -> None:
    point = Named(x=1)
    assert replace(point, name="b") == Named(x=1, name="b")
    assert point.name == ""
    with pytest.raises(TypeError):
        replace(point, other=1)
