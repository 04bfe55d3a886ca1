"""Why a manager refuses, in the words of Docker's clients.

dockerd hands its managers' answers on with their gRPC code in front, and clients match on the
whole text; so these errors carry it as well. The kind decides the HTTP status.
"""

from sampan.errors import AlreadyExists, Internal, InvalidArgument, NotFound, Unsupported


def _text(code: str, text: str) -> str:
    return f"rpc error: code = {code} desc = {text}"


class Refused(InvalidArgument):
    """The request can't be right (400)."""

    def __init__(self, text: str) -> None:
        super().__init__(_text("InvalidArgument", text))


class FailedPrecondition(InvalidArgument):
    """The swarm's state doesn't allow it (400)."""

    def __init__(self, text: str) -> None:
        super().__init__(_text("FailedPrecondition", text))


class Taken(AlreadyExists):
    """409."""

    def __init__(self, text: str) -> None:
        super().__init__(_text("AlreadyExists", text))


class NotAllowed(Unsupported):
    """Never possible in a swarm (501)."""

    def __init__(self, text: str) -> None:
        super().__init__(_text("Unimplemented", text))


class Failed(Internal):
    """What Docker reports as an unknown error (500)."""

    def __init__(self, text: str) -> None:
        super().__init__(_text("Unknown", text))


class OutOfSequence(Failed):
    """The object is newer than the version that the client names; clients read it and retry."""

    def __init__(self) -> None:
        super().__init__("update out of sequence")


class NoSuch(NotFound):
    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind} {text} not found")


class Ambiguous(InvalidArgument):
    def __init__(self, kind: str, text: str, count: int) -> None:
        super().__init__(f"{kind} {text} is ambiguous ({count} matches found)")
