"""How talking to an engine fails.

The message of each is what a user reads, in the wording scripts know from Docker.
"""

from sampan.errors import InvalidArgument, SampanError, Unavailable


class EngineError(SampanError):
    """The engine answered with an error status.

    `status` is the HTTP status, `detail` the engine's own message; the message adds where it
    came from, as Docker's clients print it.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"Error response from daemon: {detail}")
        self.status = status
        self.detail = detail


class NotReachable(Unavailable):
    """Nothing answers at the address."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"Cannot connect to the Sampan daemon at {address}. Is the sampan daemon running?",
            hint="start it with: sampan daemon",
        )


class SocketRefused(Unavailable):
    """The socket is there, but this user may not open it."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            "permission denied while trying to connect to the Sampan daemon socket at "
            f"{address}: {reason}"
        )


class ConnectFailed(Unavailable):
    """The connection could not be made or broke off."""

    def __init__(self, what: str, reason: object) -> None:
        super().__init__(f"error during connect: {what}: {reason}")


class UnusableFile(InvalidArgument):
    """A file with TLS material is missing or garbled."""

    def __init__(self, path: str, reason: object) -> None:
        super().__init__(f"unable to resolve docker endpoint: open {path}: {reason}")


class BadHost(InvalidArgument):
    """A host URL that can't be used."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"unable to parse docker host `{text}`: {reason}")


class UpgradeRefused(SampanError):
    """The engine didn't switch to a raw stream."""

    def __init__(self, status: int) -> None:
        super().__init__(f"unable to upgrade to tcp, received {status}")
