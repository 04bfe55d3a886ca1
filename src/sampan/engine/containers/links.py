"""`--link` on the default bridge: names, /etc/hosts lines and environment of other containers.

Pure. A link copies, as Docker does (TRAPS 24), the linked container's whole environment under the
alias, and a block of variables for each exposed port::

    DB_NAME=/web/db                        DB_ENV_TOKEN=t
    DB_PORT=tcp://172.17.0.2:5432          (the lowest exposed port)
    DB_PORT_5432_TCP=tcp://172.17.0.2:5432
    DB_PORT_5432_TCP_ADDR=172.17.0.2  DB_PORT_5432_TCP_PORT=5432  DB_PORT_5432_TCP_PROTO=tcp

For consecutive ports of one protocol `_START` and `_END` variables name the whole range.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from sampan.engine.containers.record import Container
from sampan.errors import InvalidArgument
from sampan.lib.ids import short

Port = tuple[int, str]


def parse_link(text: str) -> tuple[str, str]:
    """`name:alias` or `name`; also the form that inspect shows, `/name:/parent/alias`."""
    if not text:
        raise InvalidArgument("empty string specified for links")
    parts = text.split(":")
    if len(parts) > 2:
        raise InvalidArgument(f"bad format for links: {text}")
    if len(parts) == 1:
        return text, text
    name, alias = parts
    if name.startswith("/"):
        return name[1:], alias.rpartition("/")[2]
    return name, alias


def link_view(container: Container, target: Container, alias: str) -> str:
    return f"/{target.name}:/{container.name}/{alias}"


def hosts_entry(target: Container, alias: str) -> str:
    """The names after the address; each only once."""
    names = dict.fromkeys((alias, target.config.Hostname or short(target.id), target.name))
    return " ".join(names)


def environment(
    parent: Container, target: Container, alias: str, *, address: str, ports: Sequence[Port]
) -> list[str]:
    """The variables of one link. `ports` are those that the target exposes."""
    prefix = alias.replace("-", "_").upper()
    found = []
    ordered = sorted(ports, key=lambda port: (port[1] != "tcp", port[0]))
    if ordered:
        number, proto = ordered[0]
        found.append(f"{prefix}_PORT={proto}://{address}:{number}")
    for run in _consecutive(ordered):
        found += _port_block(prefix, address, run)
    found.append(f"{prefix}_NAME=/{parent.name}/{alias}")
    for entry in target.config.Env or ():
        name, equals, value = entry.partition("=")
        if equals and name not in {"HOME", "PATH"}:
            found.append(f"{prefix}_ENV_{name}={value}")
    return found


def _port_block(prefix: str, address: str, run: Sequence[Port]) -> Iterator[str]:
    if len(run) > 1:
        (start, proto), (end, _) = run[0], run[-1]
        base = f"{prefix}_PORT_{start}_{proto.upper()}"
        yield f"{base}_START={proto}://{address}:{start}"
        yield f"{base}_PORT_START={start}"
        yield f"{base}_END={proto}://{address}:{end}"
        yield f"{base}_PORT_END={end}"
    for number, proto in run:
        base = f"{prefix}_PORT_{number}_{proto.upper()}"
        yield f"{base}={proto}://{address}:{number}"
        yield f"{base}_ADDR={address}"
        yield f"{base}_PORT={number}"
        yield f"{base}_PROTO={proto}"


def _consecutive(ports: Sequence[Port]) -> Iterator[list[Port]]:
    """Runs of neighbouring numbers of one protocol."""
    for _, run in groupby(enumerate(ports), key=lambda item: (item[1][1], item[1][0] - item[0])):
        yield [port for _, port in run]
