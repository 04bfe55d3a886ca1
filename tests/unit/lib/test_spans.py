"""Debug lines about durations."""

import logging
import re

import pytest

from sampan.lib.spans import span

LINE = re.compile(r"span what='a step' begin_s=\d+\.\d{6} took_ms=\d+\.\d{3}")


def test_a_span_is_told_however_it_ends(caplog):
    with caplog.at_level(logging.DEBUG), pytest.raises(ValueError, match="why"), span("a step"):
        raise ValueError("why")
    assert [bool(LINE.fullmatch(line)) for line in caplog.messages] == [True]


def test_without_debug_logging_there_is_none(caplog):
    with caplog.at_level(logging.INFO), span("a step"):
        pass
    assert not caplog.messages
