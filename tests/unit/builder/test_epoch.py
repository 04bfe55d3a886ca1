"""SOURCE_DATE_EPOCH as it is given."""

import pytest

from sampan.builder.epoch import BadEpoch, epoch_of


def test_seconds_become_nanoseconds():
    assert epoch_of({"SOURCE_DATE_EPOCH": "1600000000"}) == 1_600_000_000_000_000_000
    assert epoch_of({"SOURCE_DATE_EPOCH": "0"}) == 0
    assert epoch_of({"SOURCE_DATE_EPOCH": ""}) is None
    assert epoch_of({}) is None


@pytest.mark.parametrize("text", ["soon", "-1", "1.5", "9" * 30, "٣"])
def test_what_is_no_time(text):
    with pytest.raises(BadEpoch):
        epoch_of({"SOURCE_DATE_EPOCH": text})
