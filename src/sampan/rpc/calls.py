"""Calls as both ends see them: one exchange of messages, and how it ended.

A failure is a google.rpc.Status. `status_of` is the one map from our kinds of errors to gRPC's
codes; on the calling side a status that isn't OK is raised as `CallFailed`, as it came.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from sampan.errors import (
    AlreadyExists,
    Cancelled,
    Denied,
    InvalidArgument,
    NotFound,
    SampanError,
    Unauthenticated,
    Unavailable,
    Unsupported,
)
from sampan.wire.buildkit.common import AnyValue, Code, Status

_CODES: dict[type[SampanError], Code] = {
    InvalidArgument: Code.INVALID_ARGUMENT,
    NotFound: Code.NOT_FOUND,
    AlreadyExists: Code.ALREADY_EXISTS,
    Denied: Code.PERMISSION_DENIED,
    Unauthenticated: Code.UNAUTHENTICATED,
    Unavailable: Code.UNAVAILABLE,
    Unsupported: Code.UNIMPLEMENTED,
    Cancelled: Code.CANCELLED,
}

Metadata = Sequence[tuple[str, str]]


class Exchange(Protocol):
    """One call in progress; messages are encoded protobuf."""

    async def send(self, message: bytes) -> None: ...

    async def finish(self) -> None:
        """Nothing more is sent."""
        ...

    async def receive(self) -> bytes | None:
        """None at the end. Raises CallFailed with the other side's status, or SessionLost."""
        ...


class Caller(Protocol):
    """The services at the other end of a connection."""

    def supports(self, method: str) -> bool: ...

    def call(
        self, method: str, metadata: Metadata = ()
    ) -> AbstractAsyncContextManager[Exchange]: ...


class CallFailed(SampanError):
    """A call ended with this status: the other side's, or one that is to be sent as it is."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.message or f"gRPC status {status.code}")
        self.status = status


class SessionLost(Unavailable):
    def __init__(self) -> None:
        super().__init__("the client's session has ended")


def failure(code: Code, message: str, details: Sequence[AnyValue] = ()) -> CallFailed:
    return CallFailed(Status(code, message, list(details)))


def status_of(error: SampanError) -> Status:
    if isinstance(error, CallFailed):
        return error.status
    code = next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), Code.UNKNOWN)
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    return Status(code, message)


async def ask(caller: Caller, method: str, message: bytes, metadata: Metadata = ()) -> bytes:
    """A call with one message each way. Raises CallFailed, SessionLost."""
    async with caller.call(method, metadata) as exchange:
        await exchange.send(message)
        await exchange.finish()
        reply = await exchange.receive()
        while await exchange.receive() is not None:
            pass
    return reply or b""
