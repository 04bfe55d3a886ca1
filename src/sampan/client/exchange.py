"""One HTTP/1.1 request and its response on a stream of its own.

Only what an engine's API needs: fixed and chunked bodies both ways, bodies that end with the
connection, and the switch to a raw stream (101). A connection serves one request: on a unix
socket a new one costs 50 us, and no reused connection can turn out to be stale.
"""

from __future__ import annotations

from sampan.client.errors import ConnectFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sampan.client.transport import Stream

_CHUNK = 65536
_MAX_HEAD = 1 << 20
_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~")


def quote(text: str, safe: str = "") -> str:
    """Percent-encoding of everything but unreserved characters and `safe`."""
    if _SAFE.issuperset(text):
        return text
    return "".join(
        character
        if character in _SAFE or character in safe
        else "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))
        for character in text
    )


def query_text(query: Iterable[tuple[str, str]]) -> str:
    return "&".join(f"{quote(name)}={quote(value)}" for name, value in query)


def send(
    stream: Stream,
    method: str,
    target: str,
    headers: Mapping[str, str | list[str]],
    body: bytes | Iterable[bytes] | None,
) -> None:
    """Writes the request; an iterable body goes out chunked, piece by piece. A header with a list
    of values goes out once for each."""
    head = [f"{method} {target} HTTP/1.1"]
    for name, value in headers.items():
        head += [f"{name}: {one}" for one in (value if isinstance(value, list) else (value,))]
    if body is None:
        if method not in {"GET", "HEAD"}:
            head.append("Content-Length: 0")
    elif isinstance(body, bytes):
        head.append(f"Content-Length: {len(body)}")
    else:
        head.append("Transfer-Encoding: chunked")
    data = "\r\n".join([*head, "", ""]).encode("latin-1", "replace")
    if body is None or isinstance(body, bytes):
        stream.sendall(data + (body or b""))
        return
    stream.sendall(data)
    for piece in body:
        if piece:
            stream.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
    stream.sendall(b"0\r\n\r\n")


class Response:
    """Status, headers (names in lower case) and the body, which can be read once."""

    def __init__(self, stream: Stream, method: str) -> None:
        self._stream = stream
        self._buffer = b""
        head = self._read_head()
        lines = head.decode("latin-1").split("\r\n")
        parts = lines[0].split(" ", 2)
        if len(parts) < 2 or not parts[0].startswith("HTTP/") or not parts[1].isdecimal():
            raise ConnectFailed("malformed HTTP response", repr(lines[0]))
        self.status = int(parts[1])
        self.headers: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        self._bodiless = method == "HEAD" or self.status in {204, 304}

    def _more(self) -> bytes:
        try:
            return self._stream.recv(_CHUNK)
        except OSError as error:
            raise ConnectFailed("reading the response", error) from error

    def _read_head(self) -> bytes:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            data = self._more()
            if not data:
                raise ConnectFailed("the daemon closed the connection", "EOF")
            self._buffer += data
            if len(self._buffer) > _MAX_HEAD:
                raise ConnectFailed("malformed HTTP response", "the header is too long")
        head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        return head

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes. Closes the stream at its end."""
        try:
            if self._bodiless:
                return
            if self.headers.get("transfer-encoding", "").lower() == "chunked":
                yield from self._chunked()
            elif "content-length" in self.headers:
                yield from self._fixed(int(self.headers["content-length"]))
            else:
                yield from self._until_closed()
        finally:
            self.close()

    def _chunked(self) -> Iterator[bytes]:
        while True:
            size = int(self._line().partition(b";")[0], 16)
            if size == 0:
                while self._line():
                    continue
                return
            yield from self._fixed(size)
            self._line()

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            data = self._more()
            if not data:
                raise ConnectFailed("the daemon closed the connection", "unexpected EOF")
            self._buffer += data
        line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return line

    def _fixed(self, size: int) -> Iterator[bytes]:
        while size > 0:
            data = self._buffer or self._more()
            if not data:
                raise ConnectFailed("the daemon closed the connection", "unexpected EOF")
            part, self._buffer = data[:size], data[size:]
            size -= len(part)
            yield part

    def _until_closed(self) -> Iterator[bytes]:
        while data := self._buffer or self._more():
            self._buffer = b""
            yield data

    def read(self) -> bytes:
        return b"".join(self.chunks())

    def take_stream(self) -> tuple[Stream, bytes]:
        """The raw stream after a 101, and what already came behind the header."""
        return self._stream, self._buffer

    def close(self) -> None:
        self._stream.close()
