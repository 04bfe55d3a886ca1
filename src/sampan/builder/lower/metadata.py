"""ARG, ENV, LABEL, MAINTAINER, EXPOSE, VOLUME, USER, STOPSIGNAL, ONBUILD."""

import re

from sampan.builder.dockerfile import instructions as kinds
from sampan.builder.lower.stage import Lowering, to_list
from sampan.errors import InvalidArgument
from sampan.runtime.signals import parse_signal

_PORT = re.compile(r"(?:.*:)?(?P<range>[^:/]*)(?:/(?P<proto>.*))?")
_MAX_PORT = 65535


class InvalidPort(InvalidArgument):
    def __init__(self, text: str) -> None:
        super().__init__(f"Invalid containerPort: {text}")


class InvalidProtocol(InvalidArgument):
    def __init__(self, text: str) -> None:
        super().__init__(f"Invalid proto: {text}")


def lower_arg(lowering: Lowering, instruction: kinds.Arg) -> None:
    texts = []
    for name, default in instruction.names:
        name = lowering.expand(name)
        value = None if default is None else lowering.expand(default)
        lowering.scope.declare(name, value)
        texts.append(name if value is None else f"{name}={value}")
    lowering.nop(f"ARG {' '.join(texts)}")


def lower_env(lowering: Lowering, instruction: kinds.Env) -> None:
    """All values of one line see the state before it."""
    variables = lowering.environment
    pairs = [(lowering.expand(name), lowering.expand(value)) for name, value in instruction.pairs]
    variables.update(pairs)
    lowering.change(Env=to_list(variables))
    lowering.nop("ENV " + " ".join(f"{name}={value}" for name, value in pairs))


def lower_label(lowering: Lowering, instruction: kinds.Label) -> None:
    pairs = instruction.pairs
    if not instruction.literal:
        pairs = tuple((lowering.expand(name), lowering.expand(value)) for name, value in pairs)
    lowering.change(Labels={**(lowering.config.Labels or {}), **dict(pairs)})
    lowering.nop("LABEL " + " ".join(f"{name}={value}" for name, value in pairs))


def lower_maintainer(lowering: Lowering, instruction: kinds.Maintainer) -> None:
    lowering.author = lowering.expand(instruction.author)
    lowering.nop(f"MAINTAINER {lowering.author}")


def lower_expose(lowering: Lowering, instruction: kinds.Expose) -> None:
    words: list[str] = []
    for word in instruction.ports:
        words += lowering.expand_words(word)
    ports = dict(lowering.config.ExposedPorts or {})
    for word in words:
        for port in parse_ports(word):
            ports[port] = {}
    lowering.change(ExposedPorts=ports)
    lowering.nop(f"EXPOSE {' '.join(sorted(words))}")


def parse_ports(text: str) -> list[str]:
    """`80`, `53/udp`, `1000-1002`; a host part in front is dropped, as the classic builder does."""
    match = _PORT.fullmatch(text)
    assert match is not None
    proto = (match["proto"] or "tcp").lower()
    if proto not in {"tcp", "udp", "sctp"}:
        raise InvalidProtocol(proto)
    first, dash, last = match["range"].partition("-")
    low, high = _port(first, text), _port(last if dash else first, text)
    if high < low:
        raise InvalidPort(match["range"])
    return [f"{number}/{proto}" for number in range(low, high + 1)]


def _port(text: str, whole: str) -> int:
    if not text.isdecimal() or int(text) > _MAX_PORT:
        raise InvalidPort(whole.rpartition(":")[2].partition("/")[0])
    return int(text)


def lower_volume(lowering: Lowering, instruction: kinds.Volume) -> None:
    paths = [lowering.expand(path).strip() for path in instruction.paths]
    if not all(paths):
        raise InvalidArgument("VOLUME specified can not be an empty string")
    volumes = dict(lowering.config.Volumes or {})
    volumes.update({path: {} for path in paths})
    lowering.change(Volumes=volumes)
    lowering.nop(f"VOLUME [{' '.join(paths)}]")


def lower_user(lowering: Lowering, instruction: kinds.User) -> None:
    user = lowering.expand(instruction.user)
    lowering.change(User=user)
    lowering.nop(f"USER {user}")


def lower_stop_signal(lowering: Lowering, instruction: kinds.StopSignal) -> None:
    signal = lowering.expand(instruction.signal)
    parse_signal(signal)
    lowering.change(StopSignal=signal)
    lowering.nop(f"STOPSIGNAL {signal}")


def lower_onbuild(lowering: Lowering, instruction: kinds.OnBuild) -> None:
    lowering.change(OnBuild=[*(lowering.config.OnBuild or ()), instruction.expression])
    lowering.nop(f"ONBUILD {instruction.expression}")
