"""Which addresses are refused, and what is said about unusable files."""

import json
import ssl

import pytest
import trustme

from sampan.daemon.config import load
from sampan.daemon.tls import Exposed, UnusableTls, check_exposure, server_context, warnings
from sampan.errors import InvalidArgument


@pytest.fixture
def configured(tmp_path):
    def run(*words, **keys):
        (tmp_path / "daemon.json").write_text(json.dumps(keys))
        return load(["--config-file", str(tmp_path / "daemon.json"), *words])

    return run


@pytest.fixture
def files(tmp_path):
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    return tmp_path


@pytest.mark.parametrize(
    "host", ["0.0.0.0:2375", "192.0.2.1:1", "[::]:2375", "some.name:2375", "0.0.0.0"]
)
def test_plain_tcp_that_others_can_reach_is_refused(configured, host):
    config = configured("-H", f"tcp://{host}")
    with pytest.raises(Exposed, match=r"without TLS: everyone .* root .*--tlsverify.*--tls=false"):
        check_exposure(config)


@pytest.mark.parametrize("host", ["127.0.0.1:2375", "127.9.9.9:1", "[::1]:1", "localhost", ":2375"])
def test_plain_tcp_on_loopback_is_fine(configured, host):
    check_exposure(configured("-H", f"tcp://{host}"))


@pytest.mark.parametrize(
    "words", [("--tls=false",), ("--tlsverify",), ("--tlsverify=false",), ("--tls", "--tlsverify")]
)
def test_open_addresses_need_client_certificates_or_plain_words(configured, words):
    check_exposure(configured("-H", "tcp://0.0.0.0:2376", *words))


def test_tls_alone_does_not_open_an_address(configured):
    with pytest.raises(Exposed, match=r"without client certificates.*--tlsverify=false"):
        check_exposure(configured("-H", "tcp://0.0.0.0:2376", "--tls"))


def test_sockets_handed_over_are_checked_too(configured):
    with pytest.raises(Exposed, match=r"tcp://0\.0\.0\.0:99 "):
        check_exposure(configured("-H", "fd://"), [("0.0.0.0", 99)])


def test_keys_of_the_file_are_those_of_the_flags(configured):
    config = configured(tls=True, tlsverify=True, tlscacert="a", tlscert="b", tlskey="c")
    assert (config.tls, config.tls_verify) == (True, True)
    assert (config.tls_ca, config.tls_cert, config.tls_key) == ("a", "b", "c")
    with pytest.raises(InvalidArgument, match="tlsverify must be of type boolean"):
        configured(tlsverify="yes")


def test_no_context_unless_tls_is_asked_for(configured):
    assert server_context(configured()) is None
    assert server_context(configured("--tls=false")) is None


def test_certificates_are_looked_for_where_docker_keeps_them(configured, files, monkeypatch):
    monkeypatch.setenv("DOCKER_CERT_PATH", str(files))
    verifying = server_context(configured("--tlsverify"))
    assert verifying is not None
    assert verifying.verify_mode == ssl.CERT_REQUIRED
    encrypting = server_context(configured("--tls"))
    assert encrypting is not None
    assert encrypting.verify_mode == ssl.CERT_NONE


def test_missing_and_garbled_files_are_named(configured, files):
    given = (f"--tlscert={files}/cert.pem", f"--tlskey={files}/nokey.pem")
    with pytest.raises(UnusableTls, match=r"could not load X509 key pair .*open .*nokey.pem: no "):
        server_context(configured("--tls", *given))
    given = (f"--tlscert={files}/cert.pem", f"--tlskey={files}/key.pem")
    with pytest.raises(UnusableTls, match='could not read CA certificate "/none": open /none: no'):
        server_context(configured("--tlsverify", "--tlscacert=/none", *given))
    (files / "key.pem").write_text("garbage")
    with pytest.raises(UnusableTls, match="could not load X509 key pair"):
        server_context(configured("--tls", *given))


def test_unprotected_sockets_are_reported(configured):
    (found,) = warnings(configured("-H", "tcp://127.0.0.1:1", "-H", "unix:///x"))
    assert "http://127.0.0.1:1 without encryption" in found
    (found,) = warnings(configured("-H", "tcp://127.0.0.1:1", "--tls"))
    assert "https://127.0.0.1:1 without client certificates" in found
    assert warnings(configured("-H", "tcp://127.0.0.1:1", "--tlsverify")) == ()
