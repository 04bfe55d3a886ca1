"""Attaching a client to a container, running or about to be started; resizing its terminal."""

from dataclasses import dataclass

from sampan.engine.containers.attach_hub import AttachHub
from sampan.engine.containers.detach import DEFAULT, parse
from sampan.engine.containers.live import LiveContainers
from sampan.engine.containers.logs import LogOptions, LogReading
from sampan.engine.containers.record import Container, event_attributes
from sampan.engine.containers.registry import ContainerRegistry
from sampan.engine.containers.session import Ready, Session, StreamSource
from sampan.engine.events import EventLog
from sampan.errors import Conflict, InvalidArgument
from sampan.lib.ids import short


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachOptions:
    """`stream` follows the live output, `logs` sends what is stored first."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    stream: bool = False
    logs: bool = False
    detach_keys: str = ""


class Attacher:
    def __init__(
        self,
        *,
        registry: ContainerRegistry,
        live: LiveContainers,
        hub: AttachHub,
        logs: LogReading,
        events: EventLog,
    ) -> None:
        self._registry = registry
        self._live = live
        self._hub = hub
        self._logs = logs
        self._events = events

    async def attach(self, text: str, options: AttachOptions) -> Session:
        """From the return on, no output is missed. The caller closes the session.

        Raises NoSuchContainer, Conflict (paused, restarting) and InvalidDetachKeys.
        """
        container = self._registry.get(text)
        _check(container)
        keys = parse(options.detach_keys or DEFAULT)
        source: StreamSource = Ready(None)
        if options.stream:
            source = await self._source(container, options)
        replay = None
        if options.logs:
            wanted = LogOptions(stdout=options.stdout, stderr=options.stderr)
            replay = self._logs.read(container, wanted)
        self._events.publish("container", "attach", container.id, event_attributes(container))
        return Session(
            source,
            tty=container.config.Tty,
            stdin=options.stdin and container.config.OpenStdin,
            keys=keys,
            replay=replay,
            on_detach=lambda: self._events.publish(
                "container", "detach", container.id, event_attributes(container)
            ),
        )

    async def _source(self, container: Container, options: AttachOptions) -> StreamSource:
        stdin = options.stdin and container.config.OpenStdin
        task = self._live.find_task(container.id)
        if task is None:
            return self._hub.register(
                container.id, stdin=stdin, stdout=options.stdout, stderr=options.stderr
            )
        return Ready(await task.attach(stdin=stdin, stdout=options.stdout, stderr=options.stderr))

    async def resize(self, text: str, *, rows: int, columns: int) -> None:
        """Set the size of the container's terminal. Raises Conflict when it isn't running."""
        container = self._registry.get(text)
        if rows < 0 or columns < 0:
            raise InvalidArgument("the size of a terminal can't be negative")
        await self._live.task(container.id).resize(rows, columns)
        self._events.publish(
            "container",
            "resize",
            container.id,
            event_attributes(container, height=str(rows), width=str(columns)),
        )


def _check(container: Container) -> None:
    if container.state.paused:
        raise Conflict(
            f"container {short(container.id)} is paused, unpause the container before attach"
        )
    if container.state.restarting:
        raise Conflict(
            f"container {short(container.id)} is restarting, wait until the container is running"
        )
