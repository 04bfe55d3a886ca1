"""The journal's JSON as journalctl writes it (recorded with systemd 252), and how it is asked."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sampan.logs.journal import Journal, JournalFailed, NoJournal, parse_entry
from sampan.runtime.monitor import journald

ID = "c" * 64


def entry(number=1, **fields):
    found = {
        "__CURSOR": f"s=1;i={number}",
        "__REALTIME_TIMESTAMP": str(1700000000000000 + number),
        "_TRANSPORT": "journal",
        "CONTAINER_ID_FULL": ID,
        "PRIORITY": "6",
        "MESSAGE": f"line {number}",
        **fields,
    }
    return json.dumps(found).encode() + b"\n"


def test_an_entry_is_a_line():
    record, cursor = parse_entry(entry(7, COM_X="1", _PID="9"))
    assert (record.stream, record.line, cursor) == ("stdout", b"line 7\n", "s=1;i=7")
    assert record.time_ns == 1700000000000007000
    assert record.attrs == {"COM_X": "1"}


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"MESSAGE": [104, 255, 10]}, b"h\xff\n\n"),
        ({"MESSAGE": ["a", "b"]}, b"a\n"),
        ({"MESSAGE": None}, b"\n"),
        ({"MESSAGE": "half", "CONTAINER_PARTIAL_MESSAGE": "true"}, b"half"),
    ],
)
def test_messages_of_all_shapes(fields, line):
    assert parse_entry(entry(**fields))[0].line == line


def test_errors_have_their_priority_and_rubbish_is_passed_over():
    assert parse_entry(entry(PRIORITY="3"))[0].stream == "stderr"
    for line in (b"rubbish\n", b"{}\n", entry(MESSAGE=7), entry(__REALTIME_TIMESTAMP="x")):
        assert parse_entry(line) is None


@pytest.fixture
def stub(tmp_path):
    """A journalctl that notes what it was asked and says what it is told."""

    def make(body):
        program = tmp_path / "journalctl"
        text = f"#!{sys.executable}\nimport sys, time\nopen({str(tmp_path / 'asked')!r}, 'a')"
        program.write_text(f"{text}.write(' '.join(sys.argv[1:]) + '\\n')\n{body}\n")
        program.chmod(0o755)
        return Journal([str(program)])

    return make


async def read(journal, **options):
    return [one.line async for batch in journal.read(ID, **options) for one in batch]


def test_it_is_asked_for_no_more_than_is_wanted(stub, tmp_path):
    lines = b"".join(entry(number) for number in range(1200))
    journal = stub(f"sys.stdout.buffer.write({lines!r})")
    found = asyncio.run(read(journal, tail=5, since_ns=1_500_000_000, until_ns=9_000_000_000))
    assert len(found) == 1200
    asked = (tmp_path / "asked").read_text().split()
    assert asked[-4:] == [
        "--lines=5",
        "--since=@1.500000",
        "--until=@9.000000",
        f"CONTAINER_ID_FULL={ID}",
    ]


def test_what_journalctl_complains_of_is_told(stub):
    with pytest.raises(JournalFailed, match="no such journal"):
        asyncio.run(read(stub("sys.exit('no such journal')")))
    with pytest.raises(NoJournal, match="does not support reading"):
        Journal(["/nonexistent/journalctl"]).check()


def test_following_ends_with_the_container_and_misses_nothing(stub):
    first, last = entry(1), entry(2)
    journal = stub(
        "if '--sync' in sys.argv: sys.exit()\n"
        f"if '--follow' in sys.argv: sys.stdout.buffer.write({first!r}); sys.stdout.flush();"
        " time.sleep(60)\n"
        f"if '--after-cursor=s=1;i=1' in sys.argv: sys.stdout.buffer.write({last!r})"
    )

    async def follow():
        stop = asyncio.get_running_loop().create_future()
        found = []
        async for batch in journal.read(ID, stop=stop):
            found += [one.line for one in batch]
            if not stop.done():
                stop.set_result(None)
        return found

    assert asyncio.run(follow()) == [b"line 1\n", b"line 2\n"]


JOURNALD = Path("/lib/systemd/systemd-journald")


@pytest.mark.skipif(
    os.geteuid() != 0 or not JOURNALD.exists() or not shutil.which("journalctl"),
    reason="needs root and systemd's journal",
)
def test_a_real_journal_gives_back_what_the_driver_sent(tmp_path):
    """A journal daemon of the test's own, in a mount namespace where nobody else's is in reach."""
    script = (
        "mount -t tmpfs t /run && mkdir -p /run/systemd/journal /run/log/journal && "
        f"exec {JOURNALD}"
    )
    machine_id = tmp_path / "machine-id"
    machine_id.write_text("0" * 31 + "1\n")
    keep = f"mount --bind {machine_id} /etc/machine-id; mount -t tmpfs t /var/log; {script}"
    with (tmp_path / "said").open("wb") as said:
        daemon = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "sh", "-c", keep],
            stdout=said,
            stderr=said,
        )
    root = f"/proc/{daemon.pid}/root"
    try:
        address = Path(f"{root}/run/systemd/journal/socket")
        deadline = time.monotonic() + 10
        while not address.exists():
            assert daemon.poll() is None, (tmp_path / "said").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        journal = journald.Journal({"fields": {"CONTAINER_ID_FULL": ID, "COM_X": "1"}})
        import socket

        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(str(address))
            for stream, piece in (
                ("stdout", b"one\n"),
                ("stderr", b"two \xff\n"),
                ("stdout", b"half "),
                ("stdout", b"whole\n"),
            ):
                sender.send(journal.encode(stream, piece))
        reader = Journal(["nsenter", "-m", f"-t{daemon.pid}", "journalctl"])

        async def follow():
            stop = asyncio.get_running_loop().create_future()
            stop.set_result(None)
            return [one async for batch in reader.read(ID, stop=stop) for one in batch]

        found = asyncio.run(follow())
        assert [(one.stream, one.line, one.attrs) for one in found] == [
            ("stdout", b"one\n", {"COM_X": "1"}),
            ("stderr", b"two \xff\n", {"COM_X": "1"}),
            ("stdout", b"half ", {"COM_X": "1"}),
            ("stdout", b"whole\n", {"COM_X": "1"}),
        ]
        assert asyncio.run(read(reader, tail=1)) == [b"whole\n"]
        assert asyncio.run(read(reader, since_ns=found[-1].time_ns)) == [b"whole\n"]
    finally:
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
