"""A Docker or Sampan engine's API, as far as builds need it: build, push.

    unix:///run/sampan.sock     tcp://host:2375     tcp://host:2376 with a folder of TLS files
                                                    (ca.pem, cert.pem, key.pem, as DOCKER_CERT_PATH)

Answers are streams of JSON objects, a line each. When the caller is cancelled the connection is
closed, which makes the engine end the build.
"""

import base64
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec

from sampan.errors import InvalidArgument, Unavailable

_LINE_BYTES = 4 << 20
_CONNECT_S = 20.0
_TLS_PORT, _PLAIN_PORT = 2376, 2375


class EngineUnreachable(Unavailable):
    def __init__(self, reason: str) -> None:
        super().__init__(f"the build engine can't be reached: {reason}")


class EngineRefused(Unavailable):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"the build engine refused: {reason} (HTTP {status})")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is built; `registries` are credentials by host, as X-Registry-Config has them."""

    reference: str
    dockerfile: str
    arguments: Mapping[str, str]
    labels: Mapping[str, str]
    caching: bool
    registries: Mapping[str, Mapping[str, str]]


class Engine:
    """Holds no connection between calls. Raises InvalidArgument for an address it can't use."""

    def __init__(self, address: str, *, tls_folder: Path | None = None) -> None:
        parts = urlsplit(address)
        self._path = parts.path if parts.scheme == "unix" else ""
        self._tls = _tls(tls_folder) if tls_folder else None
        if self._path:
            self._base = "http://engine"
        elif parts.scheme in {"tcp", "http", "https"} and parts.hostname:
            port = parts.port or (_TLS_PORT if self._tls else _PLAIN_PORT)
            host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
            self._base = f"{'https' if self._tls else 'http'}://{host}:{port}"
        else:
            raise InvalidArgument(f"{address!r} isn't an engine's address (unix:// or tcp://)")

    def build(self, context: Path, recipe: Recipe) -> AsyncIterator[dict[str, Any]]:
        """`context` is a tar. Raises EngineUnreachable, EngineRefused."""
        query = {
            "t": recipe.reference,
            "dockerfile": recipe.dockerfile,
            "buildargs": _json(recipe.arguments),
            "labels": _json(recipe.labels),
            "nocache": "0" if recipe.caching else "1",
            "rm": "1",
            "forcerm": "1",
        }
        headers = {
            "Content-Type": "application/x-tar",
            "X-Registry-Config": _header(recipe.registries),
        }
        return self._stream("/build", query, headers, context)

    def push(
        self, name: str, tag: str, credentials: Mapping[str, str]
    ) -> AsyncIterator[dict[str, Any]]:
        """Raises EngineUnreachable, EngineRefused."""
        path = f"/images/{quote(name, safe='/:')}/push"
        return self._stream(path, {"tag": tag}, {"X-Registry-Auth": _header(credentials)}, None)

    async def _stream(
        self, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: Path | None
    ) -> AsyncIterator[dict[str, Any]]:
        try:
            async with self._session() as session:
                with _opened(body) as source:
                    async with session.post(
                        self._base + path, params=query, headers=headers, data=source
                    ) as answer:
                        if answer.status >= 400:
                            raise EngineRefused(answer.status, await _message(answer))
                        async for line in answer.content:
                            if line.strip():
                                yield msgspec.json.decode(line, type=dict[str, Any])
        except (aiohttp.ClientError, OSError) as error:
            raise EngineUnreachable(str(error) or type(error).__name__) from error
        except (msgspec.MsgspecError, ValueError) as error:
            raise EngineUnreachable(f"its answer can't be read: {error}") from error

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiohttp.ClientSession]:
        connector: aiohttp.BaseConnector
        if self._path:
            connector = aiohttp.UnixConnector(self._path)
        else:
            connector = aiohttp.TCPConnector(ssl=self._tls or True)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S)
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, read_bufsize=_LINE_BYTES, trust_env=False
        ) as session:
            yield session


def _opened(path: Path | None) -> AbstractContextManager[BinaryIO | None]:
    """aiohttp reads the file in threads of its own."""
    return path.open("rb") if path is not None else nullcontext()


async def _message(answer: aiohttp.ClientResponse) -> str:
    text = (await answer.content.read(8192)).decode("utf-8", "replace")
    try:
        return str(msgspec.json.decode(text)["message"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        return text.strip() or "no reason given"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _header(value: object) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(value)).decode()


def _tls(folder: Path) -> ssl.SSLContext:
    """Raises InvalidArgument."""
    try:
        context = ssl.create_default_context(cafile=folder / "ca.pem")
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    except (OSError, ssl.SSLError) as error:
        raise InvalidArgument(f"can't use the TLS files in {folder}: {error}") from error
    return context
