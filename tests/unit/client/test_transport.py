import socket
import ssl
import subprocess
import threading

import pytest

from sampan.client.api import Client
from sampan.client.errors import BadHost, ConnectFailed, NotReachable, UpgradeRefused
from sampan.client.exchange import Response, quote
from sampan.client.transport import Endpoint, TlsFiles, dial


@pytest.mark.parametrize(
    ("text", "path", "host", "port"),
    [
        ("unix:///run/x.sock", "/run/x.sock", "", 0),
        ("tcp://1.2.3.4:99", "", "1.2.3.4", 99),
        ("tcp://[::1]:99/prefix", "", "::1", 99),
        ("somewhere", "", "somewhere", 2375),
        ("tcp://somewhere", "", "somewhere", 2375),
    ],
)
def test_endpoints(text, path, host, port):
    endpoint = Endpoint(text)
    assert (endpoint.path, endpoint.host, endpoint.port) == (path, host, port)


@pytest.mark.parametrize("text", ["ssh://x", "tcp://x:port"])
def test_unusable_hosts_are_refused(text):
    with pytest.raises(BadHost):
        Endpoint(text)


def test_nothing_listening_is_named(tmp_path):
    with pytest.raises(NotReachable, match=f"unix://{tmp_path}/no.sock"):
        dial(Endpoint(f"unix://{tmp_path}/no.sock"))


class Canned:
    """A stream that hands out its bytes one at a time, as slow networks do."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.closed = False

    def recv(self, size: int) -> bytes:
        part, self._data = self._data[:1], self._data[1:]
        return part

    def close(self) -> None:
        self.closed = True


def test_chunked_bodies_are_put_together_and_the_stream_is_closed():
    stream = Canned(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n"
    )
    assert Response(stream, "GET").read() == b"abcde"
    assert stream.closed


def test_a_body_without_a_length_ends_with_the_connection():
    assert Response(Canned(b"HTTP/1.0 200 OK\r\n\r\nabc"), "GET").read() == b"abc"


def test_a_body_cut_off_is_an_error():
    response = Response(Canned(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), "GET")
    with pytest.raises(ConnectFailed, match="unexpected EOF"):
        response.read()


def test_head_has_no_body():
    response = Response(Canned(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), "HEAD")
    assert response.read() == b""


def test_paths_and_queries_are_percent_encoded():
    assert quote("a b/ü", "/") == "a%20b/%C3%BC"


def _serve_once(listener: socket.socket, reply: bytes, seen: list[bytes], context=None) -> None:
    connection, _ = listener.accept()
    if context is not None:
        connection = context.wrap_socket(connection, server_side=True)
    with connection:
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        connection.sendall(reply)
        while part := connection.recv(65536):
            seen.append(part)
        connection.sendall(b"late")


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nContent-Type: raw\r\n\r\nearly"


def test_hijacked_streams_keep_early_bytes_and_read_on_after_the_half_close(listener):
    seen: list[bytes] = []
    thread = threading.Thread(target=_serve_once, args=(listener, UPGRADED, seen))
    thread.start()
    client = Client(Endpoint(f"tcp://127.0.0.1:{listener.getsockname()[1]}"))
    hijacked = client.hijack("/exec/1/start", body={"Tty": False})
    received = hijacked.early
    while len(received) < 5:
        received += hijacked.stream.recv(100)
    hijacked.stream.sendall(b"input")
    hijacked.stream.shutdown_write()
    while data := hijacked.stream.recv(100):
        received += data
    hijacked.stream.close()
    thread.join()
    assert received == b"earlylate"
    assert b"".join(seen) == b"input"


def test_an_engine_that_does_not_upgrade_is_refused(listener):
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    thread = threading.Thread(target=_serve_once, args=(listener, reply, []))
    thread.start()
    client = Client(Endpoint(f"tcp://127.0.0.1:{listener.getsockname()[1]}"))
    with pytest.raises(UpgradeRefused, match="received 200"):
        client.hijack("/exec/1/start")
    thread.join()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
         folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    return folder


def _tls_client(listener, ca, *, verify):
    files = TlsFiles(str(ca), "", "", verify=verify)
    return Client(Endpoint(f"tcp://127.0.0.1:{listener.getsockname()[1]}", tls=files))


def test_tls_verifies_and_half_closes(listener, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    seen: list[bytes] = []
    thread = threading.Thread(target=_serve_once, args=(listener, UPGRADED, seen, context))
    thread.start()
    hijacked = _tls_client(listener, certificate / "cert.pem", verify=True).hijack("/x")
    received = hijacked.early
    while len(received) < 5:
        received += hijacked.stream.recv(100)
    hijacked.stream.sendall(b"input")
    hijacked.stream.shutdown_write()
    while data := hijacked.stream.recv(100):
        received += data
    hijacked.stream.close()
    thread.join()
    assert received == b"earlylate"
    assert b"".join(seen) == b"input"


def test_tls_refuses_a_certificate_of_nobody(listener, certificate, tmp_path):
    other = tmp_path / "other.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x",
         "-keyout", tmp_path / "k", "-out", other],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")

    def serve():
        connection, _ = listener.accept()
        with connection, pytest.raises(OSError):
            context.wrap_socket(connection, server_side=True).close()

    thread = threading.Thread(target=serve)
    thread.start()
    with pytest.raises(ConnectFailed, match="certificate verify failed"):
        _tls_client(listener, other, verify=True).get("/info")
    thread.join()
