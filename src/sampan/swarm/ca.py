"""The swarm's certificate authority: who is a member, and as what.

A node's certificate says who it is: CN its id, OU its role (`swarm-manager`, `swarm-worker`), O the
cluster's id. ECDSA on P-256 throughout. Serving and calling both use it, and managers' certificates
are good for their part in the store as well. Certificates begin an hour in the past, because clocks
differ; they are renewed between half and four fifths of their life, at a random moment, so that a
swarm that began at once doesn't renew at once. Nothing here reads or writes files.
"""

import base64
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sampan.errors import InvalidArgument

ROOT_LIFE = timedelta(days=20 * 365)
CLOCK_SKEW = timedelta(hours=1)
LEAST_LIFE = timedelta(hours=1)  # Docker refuses less
DEFAULT_LIFE = timedelta(days=90)
ROLES = {"manager": "swarm-manager", "worker": "swarm-worker"}


class BadRequest(InvalidArgument):
    """A certificate request that isn't one."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a certificate means."""

    node_id: str
    role: str
    cluster_id: str


@dataclass(frozen=True, slots=True)
class KeyPair:
    """PEM texts. A CA's, or a node's: then `certificate` may carry intermediates behind it."""

    certificate: bytes
    key: bytes


def new_key() -> bytes:
    """A private key, PKCS#8 PEM."""
    return _pem_of(ec.generate_private_key(ec.SECP256R1()))


def new_root(now: datetime | None = None) -> KeyPair:
    """A self-signed root."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "swarm-ca")])
    begin = (now or datetime.now(UTC)) - CLOCK_SKEW
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + ROOT_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(certificate.public_bytes(serialization.Encoding.PEM), _pem_of(key))


def root_from(certificate: str, key: str) -> KeyPair:
    """A root of the user's. Raises InvalidArgument."""
    try:
        root = x509.load_pem_x509_certificate(certificate.encode())
        private = _load_key(key.encode())
    except (ValueError, TypeError) as error:
        raise InvalidArgument("could not parse the signing CA's certificate and key") from error
    if root.public_key() != private.public_key():
        raise InvalidArgument("the signing CA's key doesn't belong to its certificate")
    return KeyPair(certificate.encode(), _pem_of(private))


def cross_sign(root: KeyPair, other_certificate: bytes) -> bytes:
    """The other root as an intermediate: who trusts this root then trusts the other's leaves."""
    issuer = x509.load_pem_x509_certificate(root.certificate)
    other = x509.load_pem_x509_certificate(other_certificate)
    builder = (
        x509.CertificateBuilder()
        .subject_name(other.subject)
        .issuer_name(issuer.subject)
        .public_key(other.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(max(other.not_valid_before_utc, issuer.not_valid_before_utc))
        .not_valid_after(min(other.not_valid_after_utc, issuer.not_valid_after_utc))
    )
    for extension in other.extensions:
        if not isinstance(extension.value, x509.AuthorityKeyIdentifier):
            builder = builder.add_extension(extension.value, critical=extension.critical)
    # all roots have one name: without this it would look as if it had signed itself
    builder = builder.add_extension(_authority(issuer), critical=False)
    signed = builder.sign(_load_key(root.key), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def request_key(csr: bytes) -> bytes:
    """DER of the public key that a request is for. Raises BadRequest."""
    try:
        public = x509.load_pem_x509_csr(csr).public_key()
    except ValueError as error:
        raise BadRequest("invalid certificate request") from error
    return public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def request(key: bytes) -> bytes:
    """A PEM request for a certificate; the CA decides on all names in it."""
    private = _load_key(key)
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def sign(
    root: KeyPair,
    csr: bytes,
    identity: Identity,
    *,
    life: timedelta = DEFAULT_LIFE,
    addresses: tuple[str, ...] = (),
    now: datetime | None = None,
) -> bytes:
    """The certificate for a request, as PEM. Raises BadRequest."""
    try:
        wanted = x509.load_pem_x509_csr(csr)
        if not wanted.is_signature_valid:
            raise BadRequest("the certificate request isn't signed by its key")
    except ValueError as error:
        raise BadRequest("invalid certificate request") from error
    issuer = x509.load_pem_x509_certificate(root.certificate)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, identity.cluster_id),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, ROLES[identity.role]),
            x509.NameAttribute(NameOID.COMMON_NAME, identity.node_id),
        ]
    )
    begin = (now or datetime.now(UTC)) - CLOCK_SKEW
    end = min(begin + CLOCK_SKEW + max(life, LEAST_LIFE), issuer.not_valid_after_utc)
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    public = wanted.public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise BadRequest("the certificate request has no elliptic curve key")
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .add_extension(_names(identity, addresses), critical=False)
        .add_extension(_authority(issuer), critical=False)  # tells roots of one name apart
    )
    signed = builder.sign(_load_key(root.key), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def identity_of(certificate: bytes) -> Identity:
    """Raises InvalidArgument for a certificate that isn't a member's. Checks no signature."""
    subject = x509.load_pem_x509_certificate(certificate).subject
    roles = {unit: role for role, unit in ROLES.items()}
    try:
        return Identity(
            node_id=_text(subject, NameOID.COMMON_NAME),
            role=roles[_text(subject, NameOID.ORGANIZATIONAL_UNIT_NAME)],
            cluster_id=_text(subject, NameOID.ORGANIZATION_NAME),
        )
    except (KeyError, IndexError) as error:
        raise InvalidArgument("not the certificate of a member of a swarm") from error


def is_signed_by(certificate: bytes, root_certificate: bytes) -> bool:
    """Directly, by a root that is the only or the first one in its PEM text."""
    found = x509.load_pem_x509_certificate(certificate)
    root = x509.load_pem_x509_certificate(root_certificate)
    try:
        found.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def renew_at(certificate: bytes, chance: random.Random) -> datetime:
    """When to ask for the next one."""
    found = x509.load_pem_x509_certificate(certificate)
    begin = found.not_valid_before_utc + CLOCK_SKEW
    life = found.not_valid_after_utc - begin
    return begin + life * chance.uniform(0.5, 0.8)


def expires_at(certificate: bytes) -> datetime:
    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc


def shown(root_certificate: bytes) -> tuple[str, str]:
    """Subject and public key as the API's TLSInfo has them: base64 of the DER of each."""
    root = x509.load_pem_x509_certificate(root_certificate)
    public = root.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return (
        base64.b64encode(root.subject.public_bytes()).decode(),
        base64.b64encode(public).decode(),
    )


def _names(identity: Identity, addresses: tuple[str, ...]) -> x509.SubjectAlternativeName:
    names: list[x509.GeneralName] = [
        x509.DNSName(identity.node_id),
        x509.DNSName(ROLES[identity.role]),
        x509.DNSName("localhost"),
    ]
    for text in ("127.0.0.1", *addresses):
        try:
            names.append(x509.IPAddress(ip_address(text)))
        except ValueError:
            names.append(x509.DNSName(text))
    return x509.SubjectAlternativeName(names)


def _authority(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        found = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        public = issuer.public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(public)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found.value)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _text(name: x509.Name, kind: x509.ObjectIdentifier) -> str:
    return str(name.get_attributes_for_oid(kind)[0].value)


def _load_key(key: bytes) -> ec.EllipticCurvePrivateKey:
    found = serialization.load_pem_private_key(key, None)
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise InvalidArgument("only elliptic curve keys are used")
    return found


def _pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
