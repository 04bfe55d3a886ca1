"""Follows what happens to a project's containers, from the engine's events.

One thread reads the event stream and puts what matters into a queue: a container started, or ended
with a status. The stream is opened by `listen`, before anything is started, so that nothing is
missed. `ends_for_good` tells an end from a restart by policy.
"""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

from sampan.client.api import filters_text
from sampan.client.exchange import Response
from sampan.compose.api import EngineApi, Json
from sampan.compose.labels import ONEOFF, PROJECT, SERVICE
from sampan.errors import SampanError
from sampan.lib.records import Record

STARTED, ENDED, FAILED = "started", "ended", "failed"


class Happening(Record, frozen=True, kw_only=True):
    """`moment` is the engine's time in seconds (as text), `status` that of an end."""

    kind: str
    container: str = ""
    name: str = ""
    service: str = ""
    status: int = 0
    moment: str = ""
    failure: SampanError | None = None


def happening_of(event: Json) -> Happening | None:
    """What an engine event means here; None when it means nothing."""
    action = event.get("Action")
    if action not in {"start", "die"}:
        return None
    actor = event.get("Actor") or {}
    attributes = actor.get("Attributes") or {}
    if attributes.get(ONEOFF, "") == "True":
        return None
    nanos = int(event.get("timeNano") or 0)
    return Happening(
        kind=STARTED if action == "start" else ENDED,
        container=str(actor.get("ID", "")),
        name=attributes.get("name", ""),
        service=attributes.get(SERVICE, ""),
        status=int(attributes.get("exitCode") or 0),
        moment=f"{nanos // 10**9}.{nanos % 10**9:09d}",
    )


class Monitor:
    """The happenings of one project."""

    def __init__(self, api: EngineApi, project: str) -> None:
        self._api = api
        self._project = project
        self.queue: SimpleQueue[Happening] = SimpleQueue()
        self._response: Response | None = None

    def listen(self, after: Callable[[Happening], None] | None = None) -> None:
        """Opens the stream; from now on nothing is missed. `after` sees each one first."""
        filters = {"type": ["container"], "label": [f"{PROJECT}={self._project}"]}
        response = self._api.events([("filters", filters_text(filters))])
        self._response = response
        Thread(target=self._read, args=(response, after), daemon=True).start()

    def _read(self, response: Response, after: Callable[[Happening], None] | None) -> None:
        try:
            for event in self._api.objects(response):
                found = happening_of(event)
                if found is not None:
                    if after is not None:
                        after(found)
                    self.queue.put(found)
        except SampanError as error:
            self.queue.put(Happening(kind=FAILED, failure=error))

    def close(self) -> None:
        if self._response is not None:
            self._response.close()


def ends_for_good(api: EngineApi, container: str) -> bool:
    """Whether an ended container stays so: not when the engine is about to start it again."""
    try:
        state = api.inspect_container(container)["State"]
    except SampanError:
        return True
    return not (state.get("Restarting") or state.get("Running"))
