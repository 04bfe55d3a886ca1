"""What a manager and the agent of a node tell each other.

    agent                                  manager
      | -- Hello ----------------------------> |   opens a session
      | <- Welcome, Myself, Managers, Assigned |   the complete set first
      | <- Assigned (changes), LogsWanted ...  |   for as long as the session lasts
      | -- beat, reports, log lines ---------> |   calls of their own, under the session's id

A session is one stream of messages downwards, in order: networks, secrets and configs of an
`Assigned` belong to the tasks beside them and are applied first. Messages are JSON objects told
apart by `kind`. Whoever reads one of a kind that it doesn't know ends the session.
"""

import msgspec

from sampan.swarm.model import Config, Node, NodeDescription, Secret, Task, TaskStatus
from sampan.swarm.networkstate import NodeNetworks
from sampan.wire.services import DriverConfig


class Message(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag=str.lower
):
    """Downwards."""


class Hello(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`revision` is the newest of the store that the agent has been told of: a manager whose
    replica is older must not tell it what to run."""

    description: NodeDescription
    revision: int = 0
    data_path_addr: str = ""


class Welcome(Message, frozen=True, kw_only=True):
    """`period_ns` is the time between two heartbeats."""

    session: str
    period_ns: int


class Myself(Message, frozen=True, kw_only=True):
    """The node as the store has it."""

    node: Node


class Managers(Message, frozen=True, kw_only=True):
    """Where managers listen, host:port."""

    addresses: tuple[str, ...]


class Assigned(Message, frozen=True, kw_only=True, omit_defaults=True):
    """What the node shall run, or how that changed.

    `complete`: tasks, secrets and configs that aren't named are none of the node's any more.
    `networks` None: as before. `credentials`: the registry credentials of services, by id, as
    clients sent them (X-Registry-Auth). `log_driver`: the swarm's for tasks that name none.
    """

    revision: int
    complete: bool = False
    networks: NodeNetworks | None = None
    secrets: tuple[Secret, ...] = ()
    configs: tuple[Config, ...] = ()
    credentials: dict[str, str] = {}
    log_driver: DriverConfig | None = None
    tasks: tuple[Task, ...] = ()
    removed_tasks: tuple[str, ...] = ()
    removed_secrets: tuple[str, ...] = ()
    removed_configs: tuple[str, ...] = ()


class LogOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`tail` None means all; times in nanoseconds, 0 for no bound."""

    stdout: bool = True
    stderr: bool = True
    follow: bool = False
    tail: int | None = None
    since_ns: int = 0
    until_ns: int = 0


class LogsWanted(Message, frozen=True, kw_only=True):
    """Tasks of this node whose logs somebody reads, under a subscription's id."""

    subscription: str
    tasks: tuple[str, ...]
    options: LogOptions


class LogsUnwanted(Message, frozen=True, kw_only=True):
    subscription: str


class Alive(Message, frozen=True, kw_only=True):
    """Nothing: keeps the stream from looking dead."""


class Goodbye(Message, frozen=True, kw_only=True):
    """The manager stops: go to another one."""


Down = Welcome | Myself | Managers | Assigned | LogsWanted | LogsUnwanted | Alive | Goodbye


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a task."""

    task_id: str
    status: TaskStatus


class LogLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record of a task's log. `data` ends with a newline unless the text was cut."""

    task_id: str
    stream: str
    time_ns: int
    data: bytes
    details: dict[str, str] = {}


class LogLines(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`ended`: nothing more comes from this node; `errors` says why where it isn't the end."""

    subscription: str
    lines: tuple[LogLine, ...] = ()
    errors: tuple[str, ...] = ()
    ended: bool = False


def encode_line(message: object) -> bytes:
    """One line of a stream."""
    return msgspec.json.encode(message) + b"\n"


DOWN: msgspec.json.Decoder[Down] = msgspec.json.Decoder(Down)
