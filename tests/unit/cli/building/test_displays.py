"""Progress as lines, as a live block, and what is said at the end."""

import io

import pytest

from sampan.cli.building import endings
from sampan.cli.building.live import Live, fitted
from sampan.cli.building.plain import Plain
from sampan.cli.building.trace import Trace, size_shown
from sampan.wire.buildkit.common import AnyValue, Position, Range, Status, Timestamp
from sampan.wire.buildkit.control import (
    StatusResponse,
    VertexLog,
    VertexRecord,
    VertexStatus,
    VertexWarning,
)


def at(seconds):
    return Timestamp(int(seconds), int(seconds % 1 * 1e9))


def vertex(name, started=100, completed=None, **more):
    ended = at(completed) if completed is not None else None
    record = VertexRecord(digest=name, name=name, started=at(started), completed=ended, **more)
    return StatusResponse(vertexes=[record])


def log(name, text, when=100.5, stream=1):
    return StatusResponse(logs=[VertexLog(name, at(when), stream, text)])


def shown(*updates, live=False):
    trace, out = Trace(), io.StringIO()
    display = Live(trace, out, colours=False) if live else Plain(trace, out)
    for update in updates:
        display.update(update, trace.add(update))
        display.tick()
    display.finish()
    return out.getvalue()


def test_one_step_after_the_other():
    assert shown(
        vertex("one"), log("one", b"hello\nwor"), log("one", b"ld\n", 101), vertex("one", 100, 102),
        vertex("two", 102), vertex("two", 102, 103, cached=True),
    ) == (
        "#1 one\n#1 0.500 hello\n#1 1.000 world\n#1 DONE 2.0s\n"
        "\n#2 two\n#2 CACHED\n"
    )  # fmt: skip


def test_a_step_that_speaks_keeps_the_floor_until_it_ends():
    assert shown(
        vertex("one"), log("one", b"a\n"), vertex("two"), log("two", b"b\n"),
        log("one", b"c\n"), vertex("one", 100, 101), vertex("two", 100, 102),
    ) == (
        "#1 one\n#1 0.500 a\n#1 0.500 c\n#1 DONE 1.0s\n"
        "\n#2 two\n#2 0.500 b\n#2 DONE 2.0s\n"
    )  # fmt: skip


def test_a_switch_is_told_when_the_build_ends_early():
    said = shown(vertex("one"), log("one", b"a\n"), vertex("two"), log("two", b"b"))
    assert said == "#1 one\n#1 0.500 a\n#1 ...\n\n#2 two\n"


def test_transfers_and_failures():
    done = VertexStatus(
        ID="transferring context:", vertex="one", current=1200, started=at(100),
        timestamp=at(101), completed=at(101),
    )  # fmt: skip
    said = shown(
        vertex("one"), StatusResponse(statuses=[done]), vertex("one", 100, 101, error="it broke"),
        vertex("two"), vertex("two", 100, 101, error="context canceled"),
    )  # fmt: skip
    assert "#1 transferring context: 1.20kB 1.0s done\n#1 ERROR: it broke\n" in said
    assert said.endswith("#2 CANCELED\n")


def test_the_live_block_collapses():
    said = shown(vertex("one"), log("one", b"text\n"), vertex("one", 100, 101), live=True)
    assert " => => # text" in said
    last = said.rpartition("[+]")[2]
    assert "FINISHED" in last
    assert "# text" not in last


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("ab", "ab  "),
        ("abcdef", "abcd"),
        ("\x1b[2Jx", "[2Jx"),
        ("日本語", "日本"),
        ("a\r\nb", "ab  "),
    ],
)
def test_rows_have_one_width_and_no_control_characters(text, result):
    assert fitted(text, 4) == result


def test_sizes():
    assert [size_shown(size) for size in (0, 999, 1200, 3_000_000)] == [
        "0B", "999B", "1.20kB", "3.00MB",
    ]  # fmt: skip


def test_failures_quote_the_dockerfile():
    trace = Trace()
    trace.add(vertex("[2/2] RUN x"))
    trace.add(log("[2/2] RUN x", b"why\n"))
    trace.add(vertex("[2/2] RUN x", 100, 101, error="exit 1"))
    detail = (
        b'{"info":{"filename":"D","data":"RlJPTSBhClJVTiB4Cg=="},'
        b'"ranges":[{"start":{"line":2},"end":{"line":2}}]}'
    )
    status = Status(2, "exit 1", [AnyValue("github.com/moby/buildkit/errdefs.Source+json", detail)])
    assert endings.failure(trace, status) == (
        "------\n > [2/2] RUN x:\n0.500 why\n------\n"
        "D:2\n--------------------\n   1 |     FROM a\n   2 | >>> RUN x\n--------------------\n"
    )
    broken = Status(2, "x", [AnyValue("x/errdefs.Source+json", b"{}")])
    assert endings.failure(Trace(), broken) == ""


def test_reasons_and_warnings_at_the_end():
    trace = Trace()
    trace.add(vertex("[2/2] COPY a /"))
    trace.add(log("[2/2] COPY a /", b"not cached: file a changed\n", stream=3))
    assert endings.explanations(trace) == "\nNot cached:\n  #1 [2/2] COPY a /: file a changed\n"
    found = [VertexWarning(short=b"R: text", ranges=[Range(Position(3), Position(3))])]
    assert endings.warnings(found) == "\n 1 warning found:\n - R: text (line 3)\n"
