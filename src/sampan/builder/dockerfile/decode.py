"""Nodes to typed instructions: argument counts, flags, and the classic builder's error texts.

Nothing is expanded and nothing outside the instruction is looked at. `decode` is one table from
keyword to function; a new instruction is one function and one line.
"""

import re
from collections.abc import Callable, Mapping
from typing import NoReturn

from sampan.builder.dockerfile import instructions as kinds
from sampan.builder.dockerfile.flags import Flags
from sampan.builder.dockerfile.parser import Node
from sampan.builder.dockerfile.run_mounts import BadMount, MountFields, read_mount
from sampan.builder.dockerfile.source import BadInstruction
from sampan.lib import gotime

_STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*")
_RUN_FLAGS = ("mount", "network", "security", "device")
_COPY_FLAGS = ("chown", "chmod", "link", "exclude")
_NETWORKS = frozenset({"", "default", "none", "host"})
_SECURITY = frozenset({"", "sandbox", "insecure"})
_MILLISECOND_NS = 1_000_000


def decode(node: Node) -> kinds.Instruction:
    """Raises BadInstruction."""
    function = _DECODERS.get(node.keyword)
    if function is None:
        raise BadInstruction(f"unknown instruction: {node.keyword}", node.where)
    return function(node)


def _fail(node: Node, reason: str) -> NoReturn:
    raise BadInstruction(reason, node.where)


def _at_least_one(node: Node) -> None:
    if not node.words:
        _fail(node, f"{node.keyword} requires at least one argument")


def _exactly_one(node: Node) -> str:
    if len(node.words) != 1:
        _fail(node, f"{node.keyword} requires exactly one argument")
    return node.words[0]


def _command(node: Node) -> kinds.Command:
    return kinds.Command(node.words, shell_form=not node.is_json)


def _pairs(node: Node) -> tuple[tuple[str, str], ...]:
    _at_least_one(node)
    pairs = tuple(zip(node.words[::2], node.words[1::2], strict=True))
    if not all(name for name, _ in pairs):
        _fail(node, f"{node.keyword} names can not be blank")
    return pairs


def _from(node: Node) -> kinds.Instruction:
    flags = Flags(node, "platform")
    name = ""
    if len(node.words) == 3 and node.words[1].upper() == "AS":
        name = node.words[2].lower()
        if not _STAGE_NAME.fullmatch(name):
            _fail(
                node,
                f'invalid name for build stage: "{node.words[2]}", '
                "name can't start with a number or contain symbols",
            )
    elif len(node.words) != 1:
        _fail(node, "FROM requires either one or three arguments")
    return kinds.From(
        text=node.text,
        where=node.where,
        base=node.words[0],
        platform=flags.text("platform"),
        stage_name=name,
    )


def _arg(node: Node) -> kinds.Instruction:
    Flags(node)
    _at_least_one(node)
    names: list[tuple[str, str | None]] = []
    for word in node.words:
        name, equals, value = word.partition("=")
        if not name:
            _fail(node, "ARG names can not be blank")
        names.append((name, value if equals else None))
    return kinds.Arg(text=node.text, where=node.where, names=tuple(names))


def _env(node: Node) -> kinds.Instruction:
    Flags(node)
    return kinds.Env(text=node.text, where=node.where, pairs=_pairs(node))


def _label(node: Node) -> kinds.Instruction:
    Flags(node)
    return kinds.Label(text=node.text, where=node.where, pairs=_pairs(node))


def _run(node: Node) -> kinds.Instruction:
    flags = Flags(node, *_RUN_FLAGS)
    network, security = flags.text("network"), flags.text("security")
    if network not in _NETWORKS:
        _fail(node, f'unsupported network mode "{network}"')
    if security not in _SECURITY:
        _fail(node, f'security "{security}" is not valid')
    return kinds.Run(
        text=node.text,
        where=node.where,
        command=_command(node),
        heredocs=() if node.is_json else node.heredocs,
        mounts=tuple(_mount(node, text) for text in flags.texts("mount")),
        network=network,
        security=security,
        devices=flags.texts("device"),
    )


def _mount(node: Node, text: str) -> MountFields:
    try:
        return read_mount(text)
    except BadMount as error:
        raise BadInstruction(error.message, node.where) from error


def _copy(node: Node) -> kinds.Instruction:
    is_add = node.keyword == "ADD"
    own = ("checksum", "keep-git-dir", "unpack") if is_add else ("from", "parents")
    flags = Flags(node, *_COPY_FLAGS, *own)
    if not node.words:
        _fail(node, f"{node.keyword} requires at least two arguments")
    if len(node.words) == 1:
        _fail(
            node,
            f"{node.keyword} requires at least two arguments, but only one was provided. "
            "Destination could not be determined",
        )
    source_name = flags.text("from")
    if re.search(r"\$.", source_name):
        _fail(
            node,
            f"variable expansion is not supported for --from, define a new stage with FROM using "
            f"ARG from global scope as a workaround: {source_name}",
        )
    return kinds.Copy(
        text=node.text,
        where=node.where,
        sources=node.words[:-1],
        destination=node.words[-1],
        chown=flags.text("chown"),
        chmod=flags.text("chmod"),
        from_stage=source_name,
        is_add=is_add,
        heredocs=node.heredocs,
        link=bool(flags.switch("link")),
        parents=bool(flags.switch("parents")),
        excludes=flags.texts("exclude"),
        checksum=flags.text("checksum"),
        keep_git_dir=bool(flags.switch("keep-git-dir")),
        unpack=flags.switch("unpack"),
    )


def _cmd(node: Node) -> kinds.Instruction:
    Flags(node)
    return kinds.Cmd(text=node.text, where=node.where, command=_command(node))


def _entrypoint(node: Node) -> kinds.Instruction:
    Flags(node)
    return kinds.Entrypoint(text=node.text, where=node.where, command=_command(node))


def _maintainer(node: Node) -> kinds.Instruction:
    Flags(node)
    return kinds.Maintainer(text=node.text, where=node.where, author=_exactly_one(node))


def _expose(node: Node) -> kinds.Instruction:
    Flags(node)
    _at_least_one(node)
    return kinds.Expose(text=node.text, where=node.where, ports=node.words)


def _volume(node: Node) -> kinds.Instruction:
    Flags(node)
    _at_least_one(node)
    if not all(path.strip() for path in node.words):
        _fail(node, "VOLUME specified can not be an empty string")
    return kinds.Volume(text=node.text, where=node.where, paths=node.words)


def _user(node: Node) -> kinds.Instruction:
    Flags(node)
    return kinds.User(text=node.text, where=node.where, user=_exactly_one(node))


def _workdir(node: Node) -> kinds.Instruction:
    Flags(node)
    return kinds.Workdir(text=node.text, where=node.where, path=_exactly_one(node))


def _stop_signal(node: Node) -> kinds.Instruction:
    Flags(node)
    return kinds.StopSignal(text=node.text, where=node.where, signal=_exactly_one(node))


def _shell(node: Node) -> kinds.Instruction:
    Flags(node)
    _at_least_one(node)
    if not node.is_json:
        _fail(node, "SHELL requires the arguments to be in JSON form")
    return kinds.Shell(text=node.text, where=node.where, words=node.words)


def _onbuild(node: Node) -> kinds.Instruction:
    Flags(node)
    _at_least_one(node)
    trigger = node.words[0].split(maxsplit=1)[0].upper()
    if trigger == "ONBUILD":
        _fail(node, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if trigger in {"MAINTAINER", "FROM"}:
        _fail(node, f"{trigger} isn't allowed as an ONBUILD trigger")
    expression = re.sub(r"(?i)^\s*ONBUILD\s*", "", node.text)
    bodies = "".join(f"\n{heredoc.body}{heredoc.name}" for heredoc in node.heredocs)
    return kinds.OnBuild(text=node.text, where=node.where, expression=expression + bodies)


def _health(node: Node) -> kinds.Instruction:
    flags = Flags(node, "interval", "timeout", "start-period", "start-interval", "retries")
    _at_least_one(node)
    kind = node.words[0].upper()
    if kind == "NONE":
        if len(node.words) > 1:
            _fail(node, "HEALTHCHECK NONE takes no arguments")
        return kinds.HealthCheck(text=node.text, where=node.where, command=None)
    if kind != "CMD":
        _fail(node, f'Unknown type "{node.words[0]}" in HEALTHCHECK (try CMD)')
    if not any(node.words[1:]):
        _fail(node, "Missing command after HEALTHCHECK CMD")
    return kinds.HealthCheck(
        text=node.text,
        where=node.where,
        command=kinds.Command(node.words[1:], shell_form=not node.is_json),
        interval_ns=_duration(node, flags, "interval"),
        timeout_ns=_duration(node, flags, "timeout"),
        start_period_ns=_duration(node, flags, "start-period"),
        start_interval_ns=_duration(node, flags, "start-interval"),
        retries=_retries(node, flags),
    )


def _duration(node: Node, flags: Flags, name: str) -> int:
    text = flags.text(name)
    if not text:
        return 0
    try:
        duration_ns = gotime.parse_duration_ns(text)
    except ValueError as error:
        reason = str(error).replace("'", '"')
        raise BadInstruction(reason, node.where) from error
    if duration_ns and duration_ns < _MILLISECOND_NS:
        _fail(node, f'Interval "{name}" cannot be less than 1ms')
    return duration_ns


def _retries(node: Node, flags: Flags) -> int:
    text = flags.text("retries")
    if not text:
        return 0
    if not re.fullmatch(r"[+-]?\d+", text):
        _fail(node, f'strconv.ParseInt: parsing "{text}": invalid syntax')
    retries = int(text)
    if retries < 0:
        _fail(node, f"--retries cannot be negative ({retries})")
    return retries


_DECODERS: Mapping[str, Callable[[Node], kinds.Instruction]] = {
    "ADD": _copy,
    "ARG": _arg,
    "CMD": _cmd,
    "COPY": _copy,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "FROM": _from,
    "HEALTHCHECK": _health,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "ONBUILD": _onbuild,
    "RUN": _run,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
