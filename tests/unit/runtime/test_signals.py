import pytest

from sampan.errors import InvalidArgument
from sampan.runtime.signals import parse_signal


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("SIGTERM", 15),
        ("term", 15),
        ("9", 9),
        ("SIGRTMIN+3", 37),
        ("RTMAX-1", 63),
        ("SIGWINCH", 28),
    ],
)
def test_names_and_numbers(text, number):
    assert parse_signal(text) == number


@pytest.mark.parametrize("text", ["", "0", "65", "NOSUCH", "SIGRTMIN+99", "TERM+1", "-9"])
def test_others_are_refused(text):
    with pytest.raises(InvalidArgument, match="nvalid signal"):
        parse_signal(text)
