import pytest

from sampan.engine.containers.detach import DEFAULT, DetachScanner, InvalidDetachKeys, parse


def test_parse_knows_control_letters_signs_and_plain_keys() -> None:
    assert parse(DEFAULT) == b"\x10\x11"
    assert parse("a,ctrl-[,ctrl-@") == b"a\x1b\x00"


@pytest.mark.parametrize("keys", ["", "ctrl-", "ctrl-1", "word", "ctrl-p,"])
def test_parse_refuses_what_no_terminal_sends(keys: str) -> None:
    with pytest.raises(InvalidDetachKeys):
        parse(keys)


def test_scanner_finds_the_sequence_across_reads() -> None:
    scanner = DetachScanner(parse(DEFAULT))
    assert scanner.feed(b"ls\n\x10") == (b"ls\n", False)
    assert scanner.feed(b"\x11rest") == (b"", True)


def test_scanner_gives_back_a_broken_off_sequence() -> None:
    scanner = DetachScanner(parse(DEFAULT))
    assert scanner.feed(b"\x10") == (b"", False)
    assert scanner.feed(b"x") == (b"\x10x", False)
    assert scanner.feed(b"\x10\x10\x11") == (b"\x10", True)


def test_scanner_without_a_sequence_passes_everything() -> None:
    assert DetachScanner(b"").feed(b"\x10\x11") == (b"\x10\x11", False)
