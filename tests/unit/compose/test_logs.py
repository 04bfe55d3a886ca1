"""Lines of several containers: framing, partial lines, prefixes."""

import io

from sampan.compose.logs import LogPrinter, read_lines
from sampan.wire.stdcopy import Stream, frame


def test_lines_of_both_streams_are_put_together_apart() -> None:
    data = (
        frame(Stream.STDOUT, b"one\ntw")
        + frame(Stream.STDERR, b"err")
        + frame(Stream.STDOUT, b"o\n")
    )
    chunks = [data[:5], data[5:]]
    assert list(read_lines(chunks, framed=True)) == ["one", "two", "err"]


def test_a_terminal_has_no_frames_and_ends_lines_its_own_way() -> None:
    assert list(read_lines([b"a\r\nb", b"c"], framed=False)) == ["a", "bc"]


def test_prefixes_are_aligned() -> None:
    out = io.StringIO()
    printer = LogPrinter(out)
    printer.register(["a-1", "longer-1"])
    printer.line("a-1", "text")
    printer.line("longer-1", "text")
    printer.note("a-1", "exited with code 0")
    assert out.getvalue() == "a-1       | text\nlonger-1  | text\na-1 exited with code 0\n"


def test_each_name_keeps_its_colour() -> None:
    out = io.StringIO()
    printer = LogPrinter(out, coloured=True)
    for name in ("a", "b", "a"):
        printer.line(name, "")
    first, second, third = out.getvalue().splitlines()
    assert first == third
    assert first.partition("a")[0] != second.partition("b")[0]


def test_no_prefix_on_demand() -> None:
    out = io.StringIO()
    LogPrinter(out, prefixed=False).line("a", "text")
    assert out.getvalue() == "text\n"
