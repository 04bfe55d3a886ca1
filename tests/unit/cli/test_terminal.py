import io

import pytest

from sampan.cli.progress import Screen, progress_text
from sampan.cli.terminal import DetachKeys, parse_keys
from sampan.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "keys"),
    [("ctrl-p,ctrl-q", b"\x10\x11"), ("a,ctrl-X", b"a\x18"), ("ctrl-[", b"\x1b")],
)
def test_detach_keys_are_parsed(text, keys):
    assert parse_keys(text) == keys


def test_unknown_keys_are_refused():
    with pytest.raises(InvalidArgument):
        parse_keys("ctrl-?!")


def test_the_sequence_detaches_and_is_not_passed_on():
    keys = DetachKeys(b"\x10\x11")
    assert keys.filter(b"ab\x10") == (b"ab", False)
    assert keys.filter(b"\x11") == (b"", True)


def test_a_sequence_broken_off_is_passed_on():
    keys = DetachKeys(b"\x10\x11")
    assert keys.filter(b"\x10x") == (b"\x10x", False)
    assert keys.filter(b"\x10\x10\x11") == (b"\x10", True)


def test_progress_bars():
    half = {"current": 500, "total": 1000}
    assert progress_text(half, 80, 0) == "    500B/1kB"
    assert progress_text(half, 200, 0).startswith("[" + "=" * 25 + ">" + " " * 25 + "] ")
    assert progress_text({"current": 5}, 80, 0) == "      5B"
    assert progress_text({}, 80, 0) == ""


def test_layers_are_redrawn_in_place():
    out = io.StringIO()
    screen = Screen(out, 80)
    screen.show({"id": "a", "status": "Waiting"})
    screen.show({"id": "b", "status": "Waiting"})
    screen.show({"id": "a", "status": "Done"})
    assert out.getvalue() == (
        "\n\033[1A\r\033[2Ka: Waiting\r\033[1B"
        "\n\033[1A\r\033[2Kb: Waiting\r\033[1B"
        "\033[2A\r\033[2Ka: Done\r\033[2B"
    )
