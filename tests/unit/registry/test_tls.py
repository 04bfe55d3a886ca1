"""Certificates: who is believed, and what is said of those who aren't."""

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sampan.errors import InvalidArgument
from sampan.oci.reference import parse_reference
from sampan.registry.client import PULL, Registries
from sampan.registry.failures import Unreachable
from sampan.registry.keychain import ANONYMOUS
from sampan.registry.settings import RegistrySettings

NAME = "reg.example"  # found at 127.0.0.1, but not a name of loopback


@pytest.fixture(autouse=True)
def name_on_loopback(monkeypatch):
    real = socket.getaddrinfo

    def find(host, *arguments, **options):
        return real("127.0.0.1" if host == NAME else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", find)


def make_certificate(folder, name, *, days=1):
    """Self-signed, with its key: NAME.cert and NAME.key in the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    today = dt.datetime.now(dt.UTC)
    alternatives = [x509.DNSName(NAME), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=9))
        .not_valid_after(today + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.cert"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    path.with_suffix(".key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


async def try_it(settings, port, host=NAME):
    registries = Registries(settings)
    try:
        reference = parse_reference(f"{host}:{port}/x")
        return await registries.repository(reference, ANONYMOUS, actions=PULL)
    finally:
        await registries.close()


class Server:
    """Over TLS, or in the open without a certificate; `clients`: only theirs are let in."""

    def __init__(self, certificate=None, clients=None):
        self._tls = None
        if certificate is not None:
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._tls.load_cert_chain(certificate, certificate.with_suffix(".key"))
            if clients is not None:
                self._tls.verify_mode = ssl.CERT_REQUIRED
                self._tls.load_verify_locations(clients)

    async def __aenter__(self):
        async def answer(_request):
            return web.Response()

        self._runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        return site._server.sockets[0].getsockname()[1]

    async def __aexit__(self, *_):
        await self._runner.cleanup()


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (1, "certificate signed by unknown authority"),
        (-1, "certificate has expired or is not yet valid"),
    ],
)
def test_an_unknown_certificate_is_refused_in_dockers_words(tmp_path, days, text):
    async def main():
        certificate = make_certificate(tmp_path, "server", days=days)
        certs = tmp_path / "certs.d"
        async with Server(certificate) as port:
            if days < 0:
                folder = certs / f"{NAME}:{port}"
                folder.mkdir(parents=True)
                (folder / "ca.crt").write_bytes(certificate.read_bytes())
            with pytest.raises(Unreachable) as caught:
                await try_it(RegistrySettings(certs_dir=certs), port)
        assert caught.value.message == (
            f'Get "https://{NAME}:{port}/v2/": tls: failed to verify certificate: x509: {text}'
        )

    asyncio.run(main())


def test_certs_d_is_honoured_and_read_anew(tmp_path):
    async def main():
        certificate = make_certificate(tmp_path / "server", "server")
        client = make_certificate(tmp_path / "client", "client")
        async with Server(certificate, clients=client) as port:
            folder = tmp_path / "certs.d" / f"{NAME}:{port}"
            registries = Registries(RegistrySettings(certs_dir=tmp_path / "certs.d"))
            reference = parse_reference(f"{NAME}:{port}/x")

            async def ask():
                registries._discovered.clear()
                return await registries.repository(reference, ANONYMOUS, actions=PULL)

            with pytest.raises(Unreachable, match="unknown authority"):
                await ask()
            folder.mkdir(parents=True)
            (folder / "ca.crt").write_bytes(certificate.read_bytes())
            with pytest.raises(Unreachable, match=r"(?i)certificate required|EOF|reset"):
                await ask()
            (folder / "client.cert").write_bytes(client.read_bytes())
            with pytest.raises(InvalidArgument, match=r"^missing key client.key for client cert"):
                await ask()
            (folder / "client.key").write_bytes(client.with_suffix(".key").read_bytes())
            assert (await ask()).endpoint.base == f"https://{NAME}:{port}"
            (folder / "client.cert").unlink()
            with pytest.raises(InvalidArgument, match=r"^missing client certificate client.cert"):
                await ask()
            await registries.close()

    asyncio.run(main())


def test_plain_http_only_where_configured(tmp_path):
    async def main():
        async with Server() as port:
            settings = RegistrySettings(certs_dir=tmp_path)
            with pytest.raises(Unreachable, match="server gave HTTP response to HTTPS client"):
                await try_it(settings, port)
            for insecure in (NAME, f"{NAME}:{port}"):
                settings = RegistrySettings(certs_dir=tmp_path, insecure=(insecure,))
                found = await try_it(settings, port)
                assert found.endpoint.base == f"http://{NAME}:{port}"
            assert (await try_it(RegistrySettings(), port, "localhost")).endpoint.insecure

    asyncio.run(main())


def test_an_insecure_registry_may_have_any_certificate(tmp_path):
    async def main():
        async with Server(make_certificate(tmp_path, "server")) as port:
            settings = RegistrySettings(insecure=(NAME,), certs_dir=tmp_path / "none")
            assert (await try_it(settings, port)).endpoint.base.startswith("https://")
            found = await try_it(RegistrySettings(), port, "127.0.0.1")
            assert found.endpoint.base.startswith("https://")

    asyncio.run(main())
