"""Waiting for a container's end, from before it is started."""

from __future__ import annotations

from sampan.errors import SampanError
from sampan.lib.jsontext import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.client.api import Client

FAILURE_STATUS = 125


class ExitWait:
    """A `/wait` that has been asked; the engine has answered its header already.

    `condition` is "next-exit" (or "removed" for containers that remove themselves), or "" for
    a container that may have ended long ago.
    """

    def __init__(
        self, client: Client, container: str, *, removed: bool = False, condition: str = "next-exit"
    ) -> None:
        condition = "removed" if removed else condition
        query = [("condition", condition)] if condition else []
        self._response = client.call("POST", f"/containers/{container}/wait", query=query)

    def close(self) -> None:
        """Gives the answer up."""
        self._response.close()

    def result(self) -> int:
        """Blocks until the end; the exit status."""
        answer = decode(self._response.read())
        failure = (answer.get("Error") or {}).get("Message")
        if failure:
            raise SampanError(f"Error waiting for container: {failure}")
        return int(answer["StatusCode"])
