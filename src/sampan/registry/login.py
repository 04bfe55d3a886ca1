"""Checking credentials against a registry (`docker login` through the engine)."""

from sampan.errors import Internal, Unauthenticated
from sampan.registry.auth import Challenge, basic, parse_challenges
from sampan.registry.client import Registries
from sampan.registry.failures import ErrorAnswer, Unreachable, read_error
from sampan.registry.keychain import Credentials
from sampan.registry.settings import HUB_DOMAIN, HUB_INDEX, HUB_REGISTRY, Endpoint, endpoints

_LOGIN_CLIENT = "docker"  # token servers know this one as the client that may have refresh tokens


class LoginRefused(Unauthenticated):
    def __init__(self, *, url: str, reason: str) -> None:
        super().__init__(f"login attempt to {url} failed with status: {reason}")


class Logins:
    def __init__(self, *, registries: Registries) -> None:
        self._registries = registries

    async def login(self, credentials: Credentials) -> str:
        """The identity token that the registry gives instead of the password; "" if none.

        Raises LoginRefused, Unreachable.
        """
        settings = self._registries.settings
        domain = server_domain(credentials.server_address)
        failure: Unreachable | None = None
        for endpoint in endpoints(settings, domain, pull=False):
            try:
                return await _login_at(self._registries, endpoint, credentials)
            except Unreachable as error:
                failure = error
        raise failure or Internal("no registry to log in to")


def server_domain(address: str) -> str:
    """`reg.example:5000` of what users and clients write: with scheme, path, or empty."""
    if not address or address == HUB_INDEX:
        return HUB_DOMAIN
    host = address.removeprefix("https://").removeprefix("http://").partition("/")[0]
    return HUB_DOMAIN if host in {"index.docker.io", HUB_REGISTRY} else host


async def _login_at(registries: Registries, endpoint: Endpoint, credentials: Credentials) -> str:
    url = f"{endpoint.base}/v2/"
    headers = {}
    identity = ""
    async with registries.transport.request("GET", url) as response:
        if response.status < 400:
            return ""
        if response.status != 401:
            raise await read_error(response)
        offered = _by_scheme(response.headers.getall("WWW-Authenticate", []))
    if "bearer" in offered:
        try:
            token = await registries.authorizer.fetch_token(
                offered["bearer"], (), credentials, offline=True, client_id=_LOGIN_CLIENT
            )
        except ErrorAnswer as error:
            raise Unauthenticated(f'Get "{url}": {error.message}') from error
        identity = token.refresh
        headers["Authorization"] = f"Bearer {token.value}"
    else:
        headers["Authorization"] = basic(credentials)
    async with registries.transport.request("GET", url, headers=headers) as response:
        if response.status >= 400:
            raise LoginRefused(url=url, reason=f"{response.status} {response.reason}")
    return identity


def _by_scheme(values: list[str]) -> dict[str, Challenge]:
    return {challenge.scheme: challenge for challenge in parse_challenges(values)}
