"""Failures between nodes: as JSON on the wire, as the same kind of exception at the other end."""

import msgspec

from sampan import errors
from sampan.errors import Internal, SampanError
from sampan.swarm.store.interface import NoQuorum, OutOfDate

# status by kind; the first kind that a failure is an instance of counts
_STATUSES: dict[type[SampanError], int] = {
    NoQuorum: 503,
    OutOfDate: 409,
    errors.InvalidArgument: 400,
    errors.NotFound: 404,
    errors.AlreadyExists: 409,
    errors.Conflict: 409,
    errors.Denied: 403,
    errors.Unauthenticated: 401,
    errors.Unavailable: 503,
    errors.Unsupported: 501,
    errors.Cancelled: 499,
    errors.DataLoss: 500,
    errors.Internal: 500,
}
_KINDS = {kind.__name__: kind for kind in _STATUSES}


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    message: str


def encode(error: SampanError) -> tuple[int, bytes]:
    """Status and body."""
    kind = next((kind for kind in _STATUSES if isinstance(error, kind)), Internal)
    fault = Fault(kind=kind.__name__, message=error.message)
    return _STATUSES.get(kind, 500), msgspec.json.encode(fault)


def decode(body: bytes) -> SampanError:
    """The failure to raise."""
    try:
        fault = msgspec.json.decode(body, type=Fault)
    except msgspec.DecodeError:
        return Internal("a manager answered with an error that isn't understood")
    if fault.kind == NoQuorum.__name__:
        return NoQuorum()
    if fault.kind == OutOfDate.__name__:
        return OutOfDate()
    return _KINDS.get(fault.kind, Internal)(fault.message)
