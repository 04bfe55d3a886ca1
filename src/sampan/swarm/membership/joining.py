"""A node's side of joining and of renewing its certificate.

To join: fetch the root from a manager without trusting it, compare it with the digest in the token,
then ask for a certificate over a connection that trusts that root alone. So neither the secret nor
the request goes to anybody but a manager of the swarm that the token is of.
"""

from sampan.errors import InvalidArgument, Unavailable
from sampan.swarm import ca
from sampan.swarm.membership.documents import CertificateRequest, Issued
from sampan.swarm.membership.files import PendingJoin
from sampan.swarm.peer.client import Managers, PeerClient
from sampan.swarm.peer.credentials import stranger
from sampan.swarm.tokens import parse_token

ROOT_LIMIT_S, SIGNING_LIMIT_S = 5.0, 10.0


class WrongRoot(InvalidArgument):
    def __init__(self, expected: str) -> None:
        super().__init__(f"remote CA does not match fingerprint. Expected: {expected}")


async def join(pending: PendingJoin, address: str) -> Issued:
    """Ask each remote in turn. Raises BadToken, WrongRoot, Unavailable, or what a manager says."""
    token = parse_token(pending.token)
    failure: Unavailable | None = None
    for remote in pending.remotes:
        try:
            root = await fetch_root(remote)
            if not token.fits(root):
                raise WrongRoot(f"{int(token.ca_digest, 36):064x}")
            return await _ask(pending, address, remote, root)
        except Unavailable as error:
            failure = error
    raise failure or InvalidArgument("at least 1 RemoteAddr is required to join")


async def fetch_root(remote: str) -> bytes:
    """Whatever answers there: check it. Raises Unreachable."""
    client = PeerClient(lambda: stranger(None))
    try:
        return await client.call(remote, "GET", "/ca/root", kind=bytes, timeout_s=ROOT_LIMIT_S)
    finally:
        await client.close()


async def _ask(pending: PendingJoin, address: str, remote: str, root: bytes) -> Issued:
    client = PeerClient(lambda: stranger(root))
    request = CertificateRequest(
        csr=ca.request(pending.key.encode()).decode(),
        token=pending.token,
        availability=pending.availability,
        address=address,
    )
    try:
        return await client.call(
            remote, "POST", "/ca/certificate", request, kind=Issued, timeout_s=SIGNING_LIMIT_S
        )
    finally:
        await client.close()


async def renew(client: PeerClient, managers: Managers, key: str, address: str) -> Issued:
    """With the certificate in use. Raises NoManager, or what a manager says."""
    request = CertificateRequest(csr=ca.request(key.encode()).decode(), address=address)
    return await client.call_any(
        managers, "POST", "/ca/certificate", request, kind=Issued, timeout_s=SIGNING_LIMIT_S
    )
