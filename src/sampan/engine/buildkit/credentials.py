"""Registry credentials of a build, asked of its client when a base image is pulled."""

from collections.abc import Awaitable, Callable

from sampan.registry.keychain import ANONYMOUS, Credentials
from sampan.registry.settings import HUB_DOMAIN, HUB_REGISTRY
from sampan.rpc.calls import Caller, ask
from sampan.wire.buildkit.protobuf import decode, encode
from sampan.wire.buildkit.session import CREDENTIALS, CredentialsReply, CredentialsRequest


class SessionCredentials:
    """See build_bases.CredentialSource."""

    def __init__(self, caller: Callable[[], Awaitable[Caller]]) -> None:
        self._caller = caller

    async def for_domain(self, domain: str) -> Credentials:
        caller = await self._caller()
        if not caller.supports(CREDENTIALS):
            return ANONYMOUS
        host = HUB_REGISTRY if domain == HUB_DOMAIN else domain
        reply = decode(
            CredentialsReply, await ask(caller, CREDENTIALS, encode(CredentialsRequest(host)))
        )
        if reply.Username:
            return Credentials(reply.Username, reply.Secret)
        return Credentials(identity_token=reply.Secret) if reply.Secret else ANONYMOUS
