import base64
import random
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta

import pytest

from sampan.errors import InvalidArgument
from sampan.swarm import ca
from sampan.swarm.ca import Identity

WHO = Identity("n0de", "manager", "clu5ter")


@pytest.fixture(scope="module")
def root():
    return ca.new_root()


def member(root, identity=WHO, **options):
    key = ca.new_key()
    return ca.KeyPair(ca.sign(root, ca.request(key), identity, **options), key)


def test_a_certificate_says_who_one_is(root):
    found = member(root)
    assert ca.identity_of(found.certificate) == WHO
    assert ca.is_signed_by(found.certificate, root.certificate)
    assert not ca.is_signed_by(found.certificate, ca.new_root().certificate)


def test_the_root_is_nobody(root):
    with pytest.raises(InvalidArgument, match="not the certificate of a member"):
        ca.identity_of(root.certificate)


@pytest.mark.parametrize("text", [b"", b"nonsense", b"-----BEGIN CERTIFICATE REQUEST-----\nAA==\n"])
def test_a_bad_request_is_refused(root, text):
    with pytest.raises(InvalidArgument, match="invalid certificate request"):
        ca.sign(root, text, WHO)


def test_life_and_renewal(root):
    now = datetime(2030, 1, 1, tzinfo=UTC)
    found = member(root, life=timedelta(days=10), now=now).certificate
    assert ca.expires_at(found) == now + timedelta(days=10)
    for seed in range(20):
        moment = ca.renew_at(found, random.Random(seed))
        assert now + timedelta(days=5) <= moment <= now + timedelta(days=8)
    short = member(root, life=timedelta(seconds=1), now=now).certificate
    assert ca.expires_at(short) == now + timedelta(hours=1)


def test_nothing_outlives_the_root(root):
    late = datetime.now(UTC) + ca.ROOT_LIFE - timedelta(days=30)
    found = member(root, now=late).certificate
    assert ca.expires_at(found) == ca.expires_at(root.certificate)


def test_what_the_api_shows_of_the_root(root):
    subject, key = ca.shown(root.certificate)
    assert base64.b64decode(subject).endswith(b"swarm-ca")
    assert key.startswith("MFkwEwYHKoZIzj0CAQ")


def contexts(tmp_path, root, server, client):
    made = []
    for name, pair, purpose in (
        ("server", server, ssl.PROTOCOL_TLS_SERVER),
        ("client", client, ssl.PROTOCOL_TLS_CLIENT),
    ):
        (tmp_path / f"{name}.crt").write_bytes(pair.certificate)
        (tmp_path / f"{name}.key").write_bytes(pair.key)
        context = ssl.SSLContext(purpose)
        context.load_verify_locations(cadata=root.certificate.decode())
        context.load_cert_chain(tmp_path / f"{name}.crt", tmp_path / f"{name}.key")
        context.verify_mode = ssl.CERT_REQUIRED
        made.append(context)
    return made


def test_two_members_trust_each_other(tmp_path, root):
    server, client = member(root, addresses=("10.1.2.3",)), member(root)
    at_server, at_client = contexts(tmp_path, root, server, client)
    listener = socket.create_server(("127.0.0.1", 0))
    seen = []

    def serve():
        with at_server.wrap_socket(listener.accept()[0], server_side=True) as connection:
            seen.append(connection.getpeercert()["subject"])
            connection.sendall(b"hello")

    thread = threading.Thread(target=serve)
    thread.start()
    with (
        socket.create_connection(listener.getsockname()) as plain,
        at_client.wrap_socket(plain, server_hostname="swarm-manager") as connection,
    ):
        assert connection.recv(5) == b"hello"
    thread.join()
    listener.close()
    assert seen[0][-1] == (("commonName", "n0de"),)
