"""Patterns match as the regular expressions that they stand for, however many stars they have."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.builder.dockerfile import glob
from sampan.builder.dockerfile.glob import matcher

PIECES = st.sampled_from(["a", "b", "/", "*", "**", "**/", "?", "[ab]", "[^a]", "\\*"])


@pytest.mark.parametrize(
    ("pattern", "name"), [("*a" * 14 + "*b", "a" * 250), ("**/a/" * 12 + "b", "a/" * 400)]
)
def test_many_stars_take_no_time(pattern, name):
    start = time.perf_counter()
    assert not matcher(pattern, below=True)(name)
    assert time.perf_counter() - start < 1


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=8).map("".join), st.text("ab/c*", max_size=9), st.booleans())
def test_both_ways_of_matching_agree(pattern, name, below):
    parts = glob._parts(pattern)
    positions = glob._Positions()
    for part in parts:
        positions.add(part)
    wanted = re.compile("".join(parts) + (r"(?:/.*)?" if below else ""), re.DOTALL)
    assert positions.match(name, below=below) == (wanted.fullmatch(name) is not None)
