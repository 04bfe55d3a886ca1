"""GET /images/search: asked of the registry's v1 index, the only one that can search."""

from urllib.parse import urlencode

import msgspec

from sampan.errors import Internal, InvalidArgument, Unsupported
from sampan.registry.auth import basic
from sampan.registry.client import Registries
from sampan.registry.failures import Unreachable, read_error
from sampan.registry.keychain import Credentials
from sampan.registry.settings import HUB_DOMAIN, HUB_INDEX, endpoints
from sampan.wire.filters import Filters
from sampan.wire.images import SearchResult

DEFAULT_LIMIT = 25
MAX_LIMIT = 100
FILTERS = ("is-automated", "is-official", "stars")


class SearchUnsupported(Unsupported):
    def __init__(self, *, registry: str) -> None:
        super().__init__(f"registry {registry} can't search: it has no v1 search interface")


class _Answer(msgspec.Struct, frozen=True):
    results: list[dict[str, object]] | None = None


class ImageSearch:
    def __init__(self, *, registries: Registries) -> None:
        self._registries = registries

    async def search(
        self,
        term: str,
        *,
        limit: int = 0,
        filters: Filters | None = None,
        credentials: Credentials,
    ) -> list[SearchResult]:
        """Raises InvalidArgument, SearchUnsupported, Unreachable."""
        filters = filters or Filters()
        filters.check_keys(FILTERS)
        limit = limit or DEFAULT_LIMIT
        if not 1 <= limit <= MAX_LIMIT:
            raise InvalidArgument(f"limit {limit} is outside the range of [1, {MAX_LIMIT}]")
        domain, query = _where(term)
        words = urlencode({"q": query, "n": limit})
        failure: Unreachable | None = None
        for base in self._bases(domain):
            try:
                body = await self._ask(domain, f"{base}search?{words}", credentials)
            except Unreachable as error:
                failure = error
                continue
            return [found for found in _parse(body, domain) if _wanted(found, filters)]
        raise failure or Internal("no index to search in")

    def _bases(self, domain: str) -> list[str]:
        if self._is_docker_hub(domain):
            return [HUB_INDEX]
        found = endpoints(self._registries.settings, domain, pull=False)
        return [f"{endpoint.base}/v1/" for endpoint in found]

    def _is_docker_hub(self, domain: str) -> bool:
        return domain == HUB_DOMAIN and not self._registries.settings.default

    async def _ask(self, domain: str, url: str, credentials: Credentials) -> bytes:
        """Names and passwords go only where the transport lets credentials go."""
        headers = {"X-Docker-Token": "true"}
        transport = self._registries.transport
        if credentials.registry_token:
            headers["Authorization"] = f"Bearer {credentials.registry_token}"
        elif credentials.username and transport.may_use(url) and not self._is_docker_hub(domain):
            headers["Authorization"] = basic(credentials)
        async with transport.request("GET", url, headers=headers) as response:
            if response.status == 404:
                raise SearchUnsupported(registry=domain)
            if response.status != 200:
                raise await read_error(response)
            return await response.read()


def _where(term: str) -> tuple[str, str]:
    """Registry and the words to search for."""
    first, slash, rest = term.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first, rest
    if not term:
        raise InvalidArgument("search term is required")
    return HUB_DOMAIN, term.removeprefix("library/")


def _parse(body: bytes, domain: str) -> list[SearchResult]:
    try:
        rows = msgspec.json.decode(body, type=_Answer).results or []
        return [msgspec.convert(row, SearchResult) for row in rows]
    except msgspec.MsgspecError as error:
        raise SearchUnsupported(registry=domain) from error


def _wanted(found: SearchResult, filters: Filters) -> bool:
    if "is-official" in filters and found.is_official != filters.boolean("is-official"):
        return False
    if "is-automated" in filters and found.is_automated != filters.boolean("is-automated"):
        return False
    return all(found.star_count >= _stars(text) for text in filters.get("stars"))


def _stars(text: str) -> int:
    if not text.isdecimal():
        raise InvalidArgument(f"invalid filter 'stars={text}'")
    return int(text)
