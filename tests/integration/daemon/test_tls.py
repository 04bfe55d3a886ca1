"""The API over TLS with client certificates, through the real docker CLI and our own."""

import os
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest
import trustme

from integration.harness import BUSYBOX, SAMPAN, Engine, docker_cli

pytestmark = pytest.mark.integration

MEGABYTE = 1 << 20


class Guarded:
    """A daemon that listens on its unix socket and, with TLS, on a port of 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        authority, stranger = trustme.CA(), trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        self.authority = authority
        self.keep("server", authority.issue_cert("127.0.0.1"))
        self.keep("client", authority.issue_cert("client.example"))
        self.keep("stranger", stranger.issue_cert("client.example"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.engine = Engine(
            *("-H", f"tcp://127.0.0.1:{self.port}", "--tlsverify"),
            *(f"--tlscacert={folder}/ca.pem", f"--tlscert={folder}/server.pem"),
            *(f"--tlskey={folder}/server.key",),
        )

    def keep(self, name: str, issued: trustme.LeafCert) -> None:
        chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
        (self.folder / f"{name}.pem").write_bytes(chain)
        issued.private_key_pem.write_to_path(self.folder / f"{name}.key")

    def flags(self, certificate: str = "client") -> list[str]:
        return [
            *("--tlsverify", f"--tlscacert={self.folder}/ca.pem"),
            f"--tlscert={self.folder}/{certificate}.pem",
            f"--tlskey={self.folder}/{certificate}.key",
            *("-H", f"tcp://127.0.0.1:{self.port}"),
        ]

    def run(self, program, *words, certificate="client", stdin=b"", check=True):
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")},
            "DOCKER_CLI_HINTS": "false",
            "HOME": str(self.folder),
        }
        done = subprocess.run(
            [program, *self.flags(certificate), *words],
            input=stdin,
            capture_output=True,
            check=False,
            timeout=25,
            env=environment,
        )
        assert not check or done.returncode == 0, done.stderr.decode()
        return done


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    found = Guarded(tmp_path_factory.mktemp("certificates"))
    found.engine.start()
    found.engine.import_busybox()
    yield found
    found.engine.destroy()
    found.engine.check_nothing_is_left()


@pytest.fixture(params=["docker", "sampan"])
def program(request):
    return docker_cli() if request.param == "docker" else SAMPAN


def test_client_with_a_certificate_is_served(guarded, program):
    assert guarded.run(program, "version", "--format", "{{.Server.Os}}").stdout == b"linux\n"


@pytest.mark.parametrize("certificate", ["stranger", None])
def test_client_without_a_certificate_of_ours_is_turned_away(guarded, program, certificate):
    if certificate is None:
        words = [flag for flag in guarded.flags() if "tlscert" not in flag and "tlskey" not in flag]
        done = subprocess.run(
            [program, *words, "ps"],
            capture_output=True,
            check=False,
            env={"HOME": str(guarded.folder), "PATH": os.environ["PATH"]},
        )
    else:
        done = guarded.run(program, "ps", certificate=certificate, check=False)
    assert done.returncode != 0
    assert b"certificate" in done.stderr or b"alert" in done.stderr.lower()


def test_plain_client_is_told_about_tls(guarded):
    done = subprocess.run(
        [docker_cli(), "-H", f"tcp://127.0.0.1:{guarded.port}", "ps"],
        capture_output=True,
        check=False,
        env={"HOME": str(guarded.folder), "PATH": os.environ["PATH"]},
    )
    assert done.returncode == 1
    assert b"Client sent an HTTP request to an HTTPS server" in done.stderr


def test_end_of_stdin_leaves_the_output_open(guarded, program):
    data = os.urandom(3 * MEGABYTE).hex().encode()
    script = "cat > /tmp/all; sleep 0.3; cat /tmp/all; echo late >&2; exit 7"
    words = ("run", "--rm", "-i", BUSYBOX, "sh", "-c", script)
    done = guarded.run(program, *words, stdin=data, check=False)
    assert (done.returncode, done.stderr) == (7, b"late\n")
    assert done.stdout == data


def test_bytes_go_both_ways_at_once(guarded, program):
    data = os.urandom(8 * MEGABYTE)
    done = guarded.run(program, "run", "--rm", "-i", BUSYBOX, "cat", stdin=data)
    assert done.stdout == data


def test_exec_and_attach(guarded, program):
    name = f"tls-{Path(program).name}"
    guarded.run(program, "run", "-di", "--name", name, BUSYBOX, "sh", "-c", "cat; sleep 60")
    done = guarded.run(program, "exec", "-i", name, "sh", "-c", "cat; exit 3", stdin=b"x", check=0)
    assert (done.returncode, done.stdout) == (3, b"x")
    attached = subprocess.Popen(
        [program, *guarded.flags(), "attach", "--sig-proxy=false", name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"HOME": str(guarded.folder), "PATH": os.environ["PATH"]},
    )
    assert attached.stdin is not None
    assert attached.stdout is not None
    attached.stdin.write(b"line\n")
    attached.stdin.flush()
    assert attached.stdout.readline() == b"line\n"
    guarded.run(program, "rm", "-f", name)
    assert attached.stdout.read() == b""
    attached.wait(10)
    attached.stdin.close()
    attached.stdout.close()


def test_large_uploads_and_downloads(guarded, program):
    exported = guarded.run(program, "save", BUSYBOX).stdout
    assert len(exported) > MEGABYTE
    assert b"Loaded image" in guarded.run(program, "load", stdin=exported).stdout


def test_logs_follow_until_the_end(guarded, program):
    words = ("run", "-d", BUSYBOX, "sh", "-c", "seq 20000; sleep 0.5; echo end")
    name = guarded.run(program, *words).stdout.decode().strip()
    lines = guarded.run(program, "logs", "-f", name).stdout.split()
    assert (len(lines), lines[-1]) == (20001, b"end")


def test_client_that_dies_ends_its_session(guarded):
    name = "tls-left"
    guarded.run(docker_cli(), "run", "-di", "--name", name, BUSYBOX, "cat")
    client = subprocess.Popen(
        [docker_cli(), *guarded.flags(), "attach", name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"HOME": str(guarded.folder), "PATH": os.environ["PATH"]},
    )
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write(b"a\n")
    client.stdin.flush()
    assert client.stdout.readline() == b"a\n"
    client.kill()
    client.wait(10)
    client.stdin.close()
    client.stdout.close()
    state = guarded.run(docker_cli(), "inspect", "--format", "{{.State.Status}}", name).stdout
    assert state == b"running\n"
    guarded.run(docker_cli(), "rm", "-f", name)


def _connect(guarded):
    plain = socket.create_connection(("127.0.0.1", guarded.port), timeout=10)
    context = ssl.create_default_context(cafile=str(guarded.folder / "ca.pem"))
    context.load_cert_chain(guarded.folder / "client.pem", guarded.folder / "client.key")
    return context.wrap_socket(plain, server_hostname="127.0.0.1")


def _ping(secured):
    secured.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = b""
    while not answer.endswith(b"OK"):
        piece = secured.recv(4096)
        assert piece, answer
        answer += piece


def _served_certificate(guarded):
    with _connect(guarded) as secured:
        return secured.getpeercert(binary_form=True)


def _reload(guarded, said):
    engine = guarded.engine
    before = engine.log.read_text().count(said)
    engine.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 10
    while engine.log.read_text().count(said) == before:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_certificates_are_read_again_on_sighup(guarded, program):
    """A renewed one counts for new connections; an unusable one changes nothing."""
    first = _served_certificate(guarded)
    with _connect(guarded) as old_connection:
        _ping(old_connection)
        guarded.keep("server", guarded.authority.issue_cert("127.0.0.1"))
        _reload(guarded, "configuration reloaded")
        second = _served_certificate(guarded)
        assert second != first
        _ping(old_connection)
    (guarded.folder / "server.key").write_text("rubbish")
    _reload(guarded, "reload refused")
    assert _served_certificate(guarded) == second
    other = trustme.CA()  # clients of a new authority instead of the old one's
    guarded.keep("server", guarded.authority.issue_cert("127.0.0.1"))
    guarded.keep("renewed", other.issue_cert("client.example"))
    old = (guarded.folder / "ca.pem").read_bytes()
    try:
        other.cert_pem.write_to_path(str(guarded.folder / "ca.pem"))
        _reload(guarded, "configuration reloaded")
        (guarded.folder / "ca.pem").write_bytes(old)  # for the client's check of the server
        guarded.run(program, "ps", certificate="renewed")
        assert guarded.run(program, "ps", check=False).returncode != 0
    finally:
        (guarded.folder / "ca.pem").write_bytes(old)
        _reload(guarded, "configuration reloaded")
    guarded.run(program, "ps")
