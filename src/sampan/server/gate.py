"""Where an HTTP request that asks for an upgrade ends and the raw stream begins.

aiohttp's parser takes whatever follows a request for the next request, unless that asked for a
WebSocket: bytes that a client sends right behind `Upgrade: tcp`, before our answer, would be lost.
So each request's head is held until complete and looked at; behind one that upgrades only its
body (Content-Length) goes on to the parser and the rest is kept.

    head --complete, no upgrade--> passing --next request--> head
    head --complete, upgrade-----> body --Content-Length bytes--> kept
"""

import re
from enum import Enum, auto

HEAD_LIMIT_BYTES = 2 << 20  # longer ones are the parser's to refuse

# h2c is only meant where there's something behind it: some clients offer it with any request.
_UPGRADE = re.compile(
    rb"\r\nupgrade:[ \t]*tcp[ \t]*\r\n"
    rb"|\APOST [^ ?]*/(?:grpc|session)[ ?].*\r\nupgrade:[ \t]*h2c[ \t]*\r\n",
    re.IGNORECASE | re.DOTALL,
)
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_END = b"\r\n\r\n"


class _State(Enum):
    HEAD = auto()
    PASSING = auto()
    BODY = auto()
    KEPT = auto()


class Gate:
    """One for each connection. `kept` are the bytes behind an upgrade request."""

    def __init__(self) -> None:
        self.kept = bytearray()
        self._state = _State.HEAD
        self._head = bytearray()
        self._body_left = 0

    @property
    def upgrading(self) -> bool:
        """An upgrade request has been seen: nothing but its body reaches the parser any more."""
        return self._state in {_State.BODY, _State.KEPT}

    def next_request(self) -> None:
        """The last request is wholly answered; what comes now starts with a head."""
        if self._state is _State.PASSING:
            self._state = _State.HEAD

    def feed(self, data: bytes) -> bytes:
        """What the parser should see of `data`; possibly nothing yet."""
        match self._state:
            case _State.PASSING:
                return data
            case _State.HEAD:
                return self._feed_head(data)
            case _:
                return self._feed_body(data)

    def _feed_head(self, data: bytes) -> bytes:
        searched = max(0, len(self._head) - len(_END))
        self._head += data
        end = self._head.find(_END, searched)
        if end < 0 and len(self._head) < HEAD_LIMIT_BYTES:
            return b""
        held = bytes(self._head)
        self._head.clear()
        head = held[: end + 2] if end >= 0 else b""
        if not _UPGRADE.search(head) or _CHUNKED.search(head):
            self._state = _State.PASSING
            return held
        length = _LENGTH.search(head)
        self._body_left = int(length[1]) if length else 0
        self._state = _State.BODY
        cut = end + len(_END)
        return held[:cut] + self._feed_body(held[cut:])

    def _feed_body(self, data: bytes) -> bytes:
        body, rest = data[: self._body_left], data[self._body_left :]
        self._body_left -= len(body)
        if not self._body_left:
            self._state = _State.KEPT
        self.kept += rest
        return body
