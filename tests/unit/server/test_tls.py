"""TLS below the protocols: half-closes, back-pressure, clients that don't belong here."""

import asyncio
import socket
import ssl
import threading
from contextlib import closing

import pytest
import trustme

from sampan.client.errors import ConnectFailed
from sampan.client.transport import Endpoint, TlsFiles, dial
from sampan.server.tls import TlsLink

AUTHORITY = trustme.CA()


class Echo(asyncio.Protocol):
    """Sends all back; after the client's end also `tail`, then its own end."""

    def __init__(self, tail=b"", *, half_open=True):
        self.tail = tail
        self.half_open = half_open
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()

    def eof_received(self):
        asyncio.get_running_loop().call_later(0.05, self.end)
        return self.half_open

    def end(self):
        self.transport.write(self.tail)
        self.transport.write_eof()

    def connection_lost(self, exc):
        self.lost.set_result(exc)


@pytest.fixture
def files(tmp_path):
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued = AUTHORITY.issue_cert("me.example")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "me.pem")
    return TlsFiles(f"{tmp_path}/ca.pem", f"{tmp_path}/me.pem", f"{tmp_path}/me.pem", verify=True)


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def context(request):
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.maximum_version = request.param
    found.verify_mode = ssl.CERT_REQUIRED
    AUTHORITY.configure_trust(found)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(found)
    return found


def conversation(context, client, protocol=Echo):
    """What `client(port)` came to in a thread, and the protocols that it met."""
    made = []

    def make():
        made.append(protocol())
        return made[-1]

    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: TlsLink(context, make), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            result = await asyncio.to_thread(client, port)
            for one in made:
                await asyncio.wait_for(asyncio.shield(one.lost), 5)
        return result

    return asyncio.run(main()), made


def read_all(stream):
    found = bytearray()
    while data := stream.recv(65536):
        found += data
    stream.close()
    return bytes(found)


def test_half_closed_client_still_gets_what_comes(context, files):
    def client(port):
        stream = dial(Endpoint(f"tcp://127.0.0.1:{port}", tls=files))
        stream.sendall(b"question")
        stream.shutdown_write()
        return read_all(stream)

    found, _ = conversation(context, client, lambda: Echo(b" and answer"))
    assert found == b"question and answer"


def test_megabytes_go_both_ways_at_once(context, files):
    data = bytes(range(256)) * (4 << 12)  # 4 MB: more than all buffers on the way

    def client(port):
        stream = dial(Endpoint(f"tcp://127.0.0.1:{port}", tls=files))

        def send():
            stream.sendall(data)
            stream.shutdown_write()

        writer = threading.Thread(target=send)
        writer.start()
        found = read_all(stream)
        writer.join()
        return found

    found, _ = conversation(context, client)
    assert found == data


def test_protocol_that_wants_no_half_open_connection_is_closed(context, files):
    def client(port):
        stream = dial(Endpoint(f"tcp://127.0.0.1:{port}", tls=files))
        stream.shutdown_write()
        return read_all(stream)

    found, made = conversation(context, client, lambda: Echo(b"never sent", half_open=False))
    assert found == b""
    assert made[0].lost.result() is None


def test_client_without_certificate_never_reaches_the_protocol(context, files):
    bare = TlsFiles(files.ca, "", "", verify=True)

    def client(port):
        try:
            stream = dial(Endpoint(f"tcp://127.0.0.1:{port}", tls=bare))
        except ConnectFailed:  # before TLS 1.3 the server has the last word of the handshake
            return
        with closing(stream), pytest.raises(OSError, match=r"(?i)alert|connect"):
            stream.sendall(b"x")
            stream.recv(1)

    _, made = conversation(context, client)
    assert made == []


def test_plain_http_is_answered_in_plain_http(context):
    def client(port):
        with socket.create_connection(("127.0.0.1", port)) as plain:
            plain.sendall(b"GET /_ping HTTP/1.1\r\n\r\n")
            found = b""
            while data := plain.recv(1000):
                found += data
            return found

    found, made = conversation(context, client)
    assert found.startswith(b"HTTP/1.0 400 ")
    assert found.endswith(b"Client sent an HTTP request to an HTTPS server.\n")
    assert made == []


def test_vanished_client_is_lost_to_the_protocol(context, files):
    def client(port):
        stream = dial(Endpoint(f"tcp://127.0.0.1:{port}", tls=files))
        stream.sendall(b"x")
        assert stream.recv(1) == b"x"
        stream.close()

    _, made = conversation(context, client)
    assert made[0].lost.done()
