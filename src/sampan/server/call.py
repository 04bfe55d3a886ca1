"""One API call as handlers see it: path holes, query, body, and the ways to answer.

Parsing follows dockerd: booleans are false when empty, `0`, `no`, `false` or `none` and else true;
a JSON body needs `Content-Type: application/json`, no type is fine without a body.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from aiohttp import web

from sampan.errors import InvalidArgument
from sampan.oci.platform import Platform, parse_platform
from sampan.registry import keychain
from sampan.registry.keychain import Credentials
from sampan.server.connection import Connection
from sampan.wire import codec, filters
from sampan.wire.filters import Filters
from sampan.wire.versions import ApiVersion

Body = TypeVar("Body")

BODY_LIMIT_BYTES = 16 << 20  # the largest real ones are creates with many mounts: some KiB
_FALSE = frozenset({"", "0", "no", "false", "none"})
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Call:
    """`base_headers` are those that every response of the engine carries."""

    request: web.BaseRequest
    version: ApiVersion
    params: Mapping[str, str]
    base_headers: Mapping[str, str]

    @property
    def connection(self) -> Connection:
        return cast("Connection", self.request.protocol)

    @property
    def gone(self) -> asyncio.Future[None]:
        return self.connection.gone

    # --- what was asked ---------------------------------------------------------------------

    def text(self, name: str, default: str = "") -> str:
        return self.request.query.get(name, default)

    def texts(self, name: str) -> list[str]:
        return self.request.query.getall(name, [])

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.request.query.get(name)
        return default if value is None else value.strip().lower() not in _FALSE

    def integer(self, name: str) -> int | None:
        """None when absent or empty."""
        value = self.request.query.get(name, "")
        if not value:
            return None
        try:
            return int(value)
        except ValueError:
            raise InvalidArgument(f'strconv.Atoi: parsing "{value}": invalid syntax') from None

    def required_integer(self, name: str) -> int:
        value = self.integer(name)
        if value is None:
            raise InvalidArgument('strconv.Atoi: parsing "": invalid syntax')
        return value

    def filters(self) -> Filters:
        return filters.parse(self.request.query.get("filters"))

    def json_text(self, name: str, kind: type[Body]) -> Body | None:
        """A query parameter that holds JSON; None when absent."""
        value = self.request.query.get(name, "")
        return codec.decode(value.encode(), kind) if value else None

    async def body(self, kind: type[Body]) -> Body:
        """The JSON body. Raises InvalidArgument for another type, no JSON, or text after it."""
        data = await self._json_bytes()
        if not data:
            raise InvalidArgument("invalid JSON: got EOF while reading request body")
        return codec.decode(data, kind)

    async def optional_body(self, kind: type[Body]) -> Body | None:
        """Like `body`, None where dockerd lets an empty one or `null` pass."""
        data = await self._json_bytes()
        return codec.decode(data, kind) if data and data != b"null" else None

    async def _json_bytes(self) -> bytes:
        request = self.request
        kind = request.headers.get("Content-Type")
        if kind is None and not request.can_read_body:
            return b""
        if (kind or "").partition(";")[0].strip().lower() != JSON:
            raise InvalidArgument(
                f"unsupported Content-Type header ({kind or ''}): must be 'application/json'"
            )
        return (await request.read()).strip()

    def credentials(self) -> Credentials:
        """X-Registry-Auth; one that can't be read counts as anonymous, as in dockerd."""
        return keychain.from_header(self.request.headers.get("X-Registry-Auth"))

    def registry_keychain(self) -> dict[str, Credentials]:
        """X-Registry-Config of a build: registry domain -> credentials."""
        return keychain.from_config_header(self.request.headers.get("X-Registry-Config"))

    def platform(self) -> Platform | None:
        """The `platform` of a query: `os/arch[/variant]`, or JSON from API 1.48 on."""
        text = self.text("platform")
        return _platform(text) if text else None

    def platforms(self) -> list[Platform]:
        """All that a query names as `platforms`, each in the form of `platform`."""
        return [_platform(text) for text in self.texts("platforms")]

    async def chunks(self) -> AsyncIterator[bytes]:
        """The raw body as it comes."""
        async for chunk in self.request.content.iter_any():
            yield chunk

    # --- answers ----------------------------------------------------------------------------

    def reply(self, value: Any, *, status: int = 200) -> web.Response:
        return web.Response(status=status, body=codec.encode(value), headers={"Content-Type": JSON})

    def empty(self, status: int = 204) -> web.Response:
        return web.Response(status=status)

    def stream(self, content_type: str, **headers: str) -> web.StreamResponse:
        """A response to be prepared and written by the caller."""
        return web.StreamResponse(
            headers={**self.base_headers, "Content-Type": content_type, **headers}
        )


def _platform(text: str) -> Platform:
    if text.startswith("{"):
        parts = codec.decode(text.encode(), dict[str, Any])
        names = ("os", "architecture", "variant")
        text = "/".join(str(parts[name]) for name in names if parts.get(name))
    return parse_platform(text)
