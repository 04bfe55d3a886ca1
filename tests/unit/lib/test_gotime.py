import pytest

from sampan.lib import gotime


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (0, "0001-01-01T00:00:00Z"),
        (1_000_000_000, "1970-01-01T00:00:01Z"),
        (1_500_000_000, "1970-01-01T00:00:01.5Z"),
        (1_700_000_000_123_456_789, "2023-11-14T22:13:20.123456789Z"),
    ],
)
def test_format_and_parse_are_inverse(moment: int, text: str) -> None:
    assert gotime.format_ns(moment) == text
    assert gotime.parse_ns(text) == moment


def test_offsets_are_converted() -> None:
    assert gotime.parse_ns("1970-01-01T01:00:00+01:00") == 0
    assert gotime.parse_ns("1970-01-01T00:00:00-00:30") == 1800 * gotime.NANOS


@pytest.mark.parametrize(
    ("text", "nanos"),
    [("1h30m", 5400 * 10**9), ("1.5s", 1_500_000_000), ("-2ms", -2_000_000), ("0", 0)],
)
def test_durations(text: str, nanos: int) -> None:
    assert gotime.parse_duration_ns(text) == nanos


@pytest.mark.parametrize("text", ["", "1", "h", "1x", "1h x"])
def test_bad_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid duration"):
        gotime.parse_duration_ns(text)


def test_moments_take_seconds_durations_and_dates() -> None:
    assert gotime.parse_moment_ns("12.5") == 12_500_000_000
    assert gotime.parse_moment_ns("1h", now=7200 * gotime.NANOS) == 3600 * gotime.NANOS
    assert gotime.parse_moment_ns("1970-01-02") == 86400 * gotime.NANOS
