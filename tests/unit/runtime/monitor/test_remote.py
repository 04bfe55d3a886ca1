"""Remote logs against receivers that the test makes."""

import array
import os
import re
import socket
import ssl
import struct
import subprocess
import threading
import time
from contextlib import suppress

import pytest

from sampan.runtime.monitor import remote
from sampan.runtime.monitor.journald import Journal
from sampan.runtime.monitor.loop import Loop
from sampan.runtime.monitor.remote import RemoteLog
from sampan.runtime.monitor.syslog import Syslog

LIMIT = 1 << 20
HOST = re.escape(os.uname().nodename)
PID = os.getpid()
OLD = r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"
NEW = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
ZONE = r"(Z|[+-]\d\d:\d\d)"


class Running:
    """A loop that runs in steps, and the log in it."""

    def __init__(self, settings, **buffering):
        settings = {"buffer_bytes": LIMIT, "drops": False} | settings | buffering
        self.loop = Loop()
        self.changes = 0
        encoder = Journal(settings) if settings["network"] == "journal" else Syslog(settings)
        self.log = RemoteLog(self.loop, settings, encoder, self.changed)

    def changed(self):
        self.changes += 1

    def until(self, condition, seconds=10):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline
            self.loop.later(0.01, lambda: setattr(self.loop, "running", False))
            self.loop.running = True
            self.loop.run()

    def run(self, seconds):
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= end)


def syslog(**settings):
    return {"network": "unixgram", "facility": 3, "format": "", "tag": "tag"} | settings


def datagrams(path):
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(str(path))
    receiver.setblocking(False)
    return receiver


def journal(path):
    return {"network": "journal", "paths": [str(path)], "fields": {"CONTAINER_NAME": "box"}}


def received(running, receiver, count):
    found = []

    def all_there():
        try:
            while len(found) < count:
                found.append(receiver.recv(1 << 20))
        except BlockingIOError:
            pass
        return len(found) >= count

    running.until(all_there)
    return found


@pytest.mark.parametrize(
    ("form", "pattern"),
    [
        ("", rf"<30>{OLD} tag\[{PID}\]: hello\n"),
        ("rfc3164", rf"<30>{OLD} {HOST} tag\[{PID}\]: hello\n"),
        ("rfc5424", rf"<30>1 {NEW}{ZONE} {HOST} tag {PID} tag - hello\n"),
        ("rfc5424micro", rf"<30>1 {NEW}\.\d{{6}}{ZONE} {HOST} tag {PID} tag - hello\n"),
    ],
)
def test_syslog_messages_have_dockers_forms(tmp_path, form, pattern):
    receiver = datagrams(tmp_path / "s")
    running = Running(syslog(format=form, paths=[str(tmp_path / "s")]))
    running.log.write("stdout", b"hello\n")
    (message,) = received(running, receiver, 1)
    assert re.fullmatch(pattern, message.decode())
    running.log.close()
    receiver.close()


def test_stderr_is_an_error_and_the_facility_counts(tmp_path):
    receiver = datagrams(tmp_path / "s")
    running = Running(syslog(facility=16, paths=[str(tmp_path / "nosuch"), str(tmp_path / "s")]))
    running.log.write("stdout", b"a\n")
    running.log.write("stderr", b"b")
    running.log.close()
    assert [m[:5] for m in received(running, receiver, 2)] == [b"<134>", b"<131>"]
    receiver.close()


def test_syslog_over_udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        port = receiver.getsockname()[1]
        running = Running(syslog(network="udp", host="localhost", port=port))
        for number in range(100):
            running.log.write("stdout", b"%d\n" % number)
        found = received(running, receiver, 100)
        assert [int(message.rsplit(b" ", 1)[1]) for message in found] == list(range(100))
        running.log.close()


class StreamReceiver:
    """Accepts one connection after the other and keeps what they bring."""

    def __init__(self, family=socket.AF_INET, address=("127.0.0.1", 0), context=None):
        self.data = b""
        self._context = context
        self._listener = socket.socket(family)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(address)
        self._listener.listen()
        self.address = self._listener.getsockname()
        self._client = None
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        try:
            while True:
                client, _ = self._listener.accept()
                if self._context:
                    try:
                        client = self._context.wrap_socket(client, server_side=True)
                    except OSError:  # it doesn't trust us
                        client.close()
                        continue
                self._client = client
                with client:
                    while data := client.recv(1 << 16):
                        self.data += data
        except OSError:
            return

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._client and self._client.fileno() >= 0:
            with suppress(OSError):  # the other side may have gone first
                self._client.shutdown(socket.SHUT_RDWR)
        self._thread.join()


@pytest.mark.parametrize("network", ["tcp", "unix"])
def test_syslog_over_a_stream_is_a_message_a_line(tmp_path, network):
    if network == "tcp":
        receiver = StreamReceiver()
        where = {"host": "127.0.0.1", "port": receiver.address[1]}
    else:
        receiver = StreamReceiver(socket.AF_UNIX, str(tmp_path / "s"))
        where = {"paths": [str(tmp_path / "s")]}
    running = Running(syslog(network=network, **where))
    running.log.write("stdout", b"".join(b"%05d\n" % n for n in range(20_000)))
    running.until(lambda: receiver.data.count(b"\n") == 20_000)
    rows = receiver.data.splitlines()
    assert [int(row.rsplit(b" ", 1)[1]) for row in rows] == list(range(20_000))
    running.log.close()
    receiver.close()


def test_a_receiver_that_comes_back_gets_what_waited():
    receiver = StreamReceiver()
    port = receiver.address[1]
    running = Running(syslog(network="tcp", host="127.0.0.1", port=port))
    running.log.write("stdout", b"one\n")
    running.until(lambda: b"one\n" in receiver.data)
    receiver.close()
    running.run(0.05)
    running.log.write("stdout", b"two\n")
    running.run(0.2)
    receiver = StreamReceiver(address=("127.0.0.1", port))
    running.until(lambda: b"two\n" in receiver.data)
    running.log.close()
    receiver.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", folder / "key", "-out", folder / "cert", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost"),
        ],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.mark.parametrize("trust", ["ca", "skip", "none"])
def test_syslog_over_tls_counts_messages_and_checks_the_certificate(certificate, trust):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert", certificate / "key")
    receiver = StreamReceiver(context=context)
    tls = {
        "ca": str(certificate / "cert") if trust == "ca" else "",
        "cert": "",
        "key": "",
        "verify": trust != "skip",
    }
    where = {"host": "localhost", "port": receiver.address[1], "tls": tls}
    running = Running(syslog(network="tcp+tls", format="rfc5424", **where))
    running.log.write("stdout", b"secret\n")
    if trust == "none":
        running.run(0.5)
        assert not receiver.data
        running.log._end()  # it would wait for somebody else
    else:
        running.until(lambda: b"secret\n" in receiver.data)
        count, _, message = receiver.data.partition(b" ")
        assert int(count) == len(message)
    running.log.close()
    receiver.close()


def test_a_receiver_that_is_away_holds_the_container_only_for_a_while(tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "STALL_S", 0.2)
    path = tmp_path / "s"
    running = Running(syslog(paths=[str(path)]), buffer_bytes=1000)
    running.log.write("stdout", b"one\n" * 50)
    assert running.log.holds_back
    assert not running.changes
    running.until(lambda: running.changes)
    assert not running.log.holds_back
    running.log.write("stdout", b"lost\n")
    receiver = datagrams(path)
    found = received(running, receiver, 50)
    running.log.write("stdout", b"two\n")
    found += received(running, receiver, 1)
    assert found[-1].endswith(b"two\n")
    assert not any(message.endswith(b"lost\n") for message in found)
    running.log.close()
    receiver.close()


def test_non_blocking_drops_what_the_buffer_has_no_room_for(tmp_path):
    path = tmp_path / "s"
    running = Running(syslog(paths=[str(path)]), buffer_bytes=1000, drops=True)
    running.log.write("stdout", b"".join(b"%03d\n" % number for number in range(500)))
    assert not running.log.holds_back
    receiver = datagrams(path)
    first = received(running, receiver, 20)
    assert [int(message[-4:]) for message in first] == list(range(20))
    running.run(0.2)
    running.log.write("stdout", b"999\n")
    rest = received(running, receiver, 1)
    while not rest[-1].endswith(b"999\n"):
        rest += received(running, receiver, 1)
    assert len(rest) < 60
    running.log.close()
    receiver.close()


def test_what_is_left_at_the_end_is_offered_for_a_while(tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "LINGER_S", 0.3)
    running = Running(syslog(paths=[str(tmp_path / "s")]))
    running.log.write("stdout", b"last")
    running.log.close()
    assert running.log.pending
    running.until(lambda: not running.log.pending)
    assert running.changes


def entry(message):
    """Fields of a journal entry."""
    found = {}
    while message:
        name, separator, rest = message.partition(b"\n")
        if b"=" in name:
            key, _, value = name.partition(b"=")
            message = rest
        else:
            assert separator
            (length,) = struct.unpack_from("<Q", rest)
            key, value = name, rest[8 : 8 + length]
            assert rest[8 + length : 9 + length] == b"\n"
            message = rest[9 + length :]
        found[key.decode()] = value.decode()
    return found


def test_journal_entries_have_dockers_fields(tmp_path):
    receiver = datagrams(tmp_path / "j")
    running = Running(journal(tmp_path / "j"))
    running.log.write("stdout", b"out\n")
    running.log.write("stderr", b"err\n")
    assert [entry(message) for message in received(running, receiver, 2)] == [
        {"CONTAINER_NAME": "box", "PRIORITY": "6", "MESSAGE": "out"},
        {"CONTAINER_NAME": "box", "PRIORITY": "3", "MESSAGE": "err"},
    ]
    running.log.close()
    receiver.close()


def test_values_with_newlines_are_counted(tmp_path):
    receiver = datagrams(tmp_path / "j")
    settings = journal(tmp_path / "j")
    settings["fields"] = {"LABEL": "a\nb=c"}
    running = Running(settings)
    running.log.write("stdout", b"x\n")
    (message,) = received(running, receiver, 1)
    assert entry(message)["LABEL"] == "a\nb=c"
    running.log.close()
    receiver.close()


def test_pieces_of_a_long_line_say_so(tmp_path):
    receiver = datagrams(tmp_path / "j")
    running = Running(journal(tmp_path / "j"))
    running.log.write("stdout", b"x" * 40_000 + b"\nshort\n")
    first, second, last, short = map(entry, received(running, receiver, 4))
    assert first["CONTAINER_PARTIAL_MESSAGE"] == second["CONTAINER_PARTIAL_MESSAGE"] == "true"
    assert "CONTAINER_PARTIAL_MESSAGE" not in last
    assert len({piece["CONTAINER_PARTIAL_ID"] for piece in (first, second, last)}) == 1
    assert [p["CONTAINER_PARTIAL_ORDINAL"] for p in (first, second, last)] == ["1", "2", "3"]
    assert [p["CONTAINER_PARTIAL_LAST"] for p in (first, second, last)] == [
        "false",
        "false",
        "true",
    ]
    assert sum(len(piece["MESSAGE"]) for piece in (first, second, last)) == 40_000
    assert set(short) == {"CONTAINER_NAME", "PRIORITY", "MESSAGE"}
    running.log.close()
    receiver.close()


def test_entries_too_large_for_a_datagram_come_as_a_sealed_memory_file(tmp_path):
    receiver = datagrams(tmp_path / "j")
    settings = journal(tmp_path / "j")
    settings["fields"] = {"LABEL": "x" * 1_000_000}
    running = Running(settings)
    running.log.write("stdout", b"hello\n")
    found = []

    def there():
        try:
            found.append(receiver.recvmsg(1 << 20, socket.CMSG_SPACE(4)))
        except BlockingIOError:
            return False
        return True

    running.until(there)
    data, ancillary, _, _ = found[0]
    assert data == b""
    fd = array.array("i", ancillary[0][2])[0]
    message = os.pread(fd, 2_000_000, 0)
    with pytest.raises(OSError):
        os.write(fd, b"x")
    os.close(fd)
    assert entry(message)["MESSAGE"] == "hello"
    assert len(entry(message)["LABEL"]) == 1_000_000
    running.log.close()
    receiver.close()


def test_a_journal_that_is_restarted_gets_everything(tmp_path):
    receiver = datagrams(tmp_path / "j")
    running = Running(journal(tmp_path / "j"))
    running.log.write("stdout", b"one\n")
    received(running, receiver, 1)
    receiver.close()
    (tmp_path / "j").unlink()
    running.log.write("stdout", b"two\n")
    running.run(0.1)
    receiver = datagrams(tmp_path / "j")
    (message,) = received(running, receiver, 1)
    assert entry(message)["MESSAGE"] == "two"
    running.log.close()
    receiver.close()
