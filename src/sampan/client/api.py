"""Requests to an engine's API.

Paths carry no version prefix unless one is pinned (DOCKER_API_VERSION): without a prefix an
engine answers in its own newest version, so no `/_ping` round trip is needed to agree on one.
An error status becomes an EngineError with the engine's message.
"""

from __future__ import annotations

from sampan.client.errors import ConnectFailed, EngineError, UpgradeRefused
from sampan.client.exchange import Response, query_text, send
from sampan.client.transport import Endpoint, dial
from sampan.lib.jsontext import NotJson, decode, decode_stream, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from sampan.client.transport import Stream

    Query = Iterable[tuple[str, str]]

JSON_TYPE = "application/json"
API_VERSION = "1.51"


class Hijacked:
    """A raw two-way stream: `stream`, bytes that already came, and the media type."""

    __slots__ = ("early", "media_type", "stream")

    def __init__(self, stream: Stream, early: bytes, media_type: str) -> None:
        self.stream = stream
        self.early = early
        self.media_type = media_type


def filters_text(filters: dict[str, list[str]]) -> str:
    """The `filters` query parameter: {"key": {"value": true}}."""
    return encode(
        {key: dict.fromkeys(values, True) for key, values in filters.items()}, sort_keys=True
    )


class Client:
    """An engine's API at one endpoint; holds no connection between calls."""

    def __init__(
        self, endpoint: Endpoint, *, version: str = "", headers: dict[str, str] | None = None
    ) -> None:
        self.endpoint = endpoint
        self.version = version
        self._prefix = endpoint.prefix + (f"/v{version}" if version else "")
        self._headers = {"Host": endpoint.http_host, "User-Agent": "Sampan-Client/0.1"}
        self._headers.update(headers or {})

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        headers: Mapping[str, str | list[str]] | None = None,
        body: bytes | Iterable[bytes] | None = None,
        expect: int = 0,
    ) -> Response:
        """Sends and waits for the header of the response. Raises EngineError from 400 on."""
        text = query_text(query)
        target = f"{self._prefix}{path}?{text}" if text else self._prefix + path
        stream = dial(self.endpoint)
        try:
            response = self._exchange(
                stream, method, target, {**self._headers, **(headers or {})}, body
            )
        except BaseException:
            stream.close()
            raise
        if response.status >= 400:
            raise failure_of(response)
        if expect and response.status != expect:
            response.close()
            raise UpgradeRefused(response.status)
        return response

    @staticmethod
    def _exchange(
        stream: Stream,
        method: str,
        target: str,
        headers: Mapping[str, str | list[str]],
        body: bytes | Iterable[bytes] | None,
    ) -> Response:
        try:
            send(stream, method, target, headers, body)
        except OSError as error:
            # The engine may have answered (an error) and closed while the body was still going
            # out: that answer is worth more than the broken pipe.
            try:
                return Response(stream, method)
            except ConnectFailed:
                raise ConnectFailed(f"{method} {target}", error) from error
        return Response(stream, method)

    def get(self, path: str, query: Query = ()) -> Any:
        return decode(self.call("GET", path, query=query).read())

    def post(self, path: str, query: Query = (), body: object = None) -> Any:
        """Posts `body` as JSON (None: no body at all); the decoded answer, None when empty."""
        answer = self.post_raw(path, query, body).read()
        return decode(answer) if answer.strip() else None

    def post_raw(self, path: str, query: Query = (), body: object = None) -> Response:
        if body is None:
            return self.call("POST", path, query=query)
        data = encode(body).encode("utf-8", "surrogateescape") + b"\n"
        return self.call("POST", path, query=query, headers={"Content-Type": JSON_TYPE}, body=data)

    def delete(self, path: str, query: Query = ()) -> Any:
        answer = self.call("DELETE", path, query=query).read()
        return decode(answer) if answer.strip() else None

    def objects(self, response: Response) -> Iterator[Any]:
        """The JSON objects of a progress or event stream, as they come."""
        return decode_stream(response.chunks())

    def hijack(self, path: str, query: Query = (), body: object = None) -> Hijacked:
        """Posts and takes the connection over as a raw stream. Raises UpgradeRefused."""
        headers = {"Connection": "Upgrade", "Upgrade": "tcp", "Content-Type": "text/plain"}
        data = None
        if body is not None:
            headers["Content-Type"] = JSON_TYPE
            data = encode(body).encode("utf-8", "surrogateescape") + b"\n"
        response = self.call("POST", path, query=query, headers=headers, body=data, expect=101)
        stream, early = response.take_stream()
        return Hijacked(stream, early, response.headers.get("content-type", ""))


def failure_of(response: Response) -> EngineError:
    """Reads an error response's body into the error it tells of."""
    body = response.read()
    detail = body.decode("utf-8", "replace").strip()
    if response.headers.get("content-type", "") == JSON_TYPE:
        try:
            answer = decode(body)
        except NotJson:
            answer = None
        if isinstance(answer, dict) and "message" in answer:
            detail = str(answer["message"]).strip()
    if not detail:
        detail = f"the engine gave status {response.status} and no message"
    return EngineError(response.status, detail)
