"""Where candidates come from: the engine's objects by kind, and fixed lists.

An engine that can't be asked has no candidates: a shell must not be disturbed by errors.
"""

from __future__ import annotations

from sampan.errors import SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from sampan.cli.context import Context

    Candidates = list[tuple[str, str]]  # (word, description)

SHELLS = ("bash", "zsh", "fish")
STACK = "com.docker.stack.namespace"
STOPPED = ("created", "exited", "dead")


def _containers(context: Context, *, states: tuple[str, ...] = ()) -> Candidates:
    found = context.client.get("/containers/json", [("all", "1")])
    return [
        (row["Names"][0].lstrip("/"), f"{row['Image']}, {row['Status']}")
        for row in found
        if row["Names"] and (not states or row["State"] in states)
    ]


def _images(context: Context) -> Candidates:
    words: list[str] = []
    for row in context.client.get("/images/json"):
        for tag in row.get("RepoTags") or ():
            words += [tag, tag.removesuffix(":latest")] if tag.endswith(":latest") else [tag]
    return [(word, "image") for word in words]


def _networks(context: Context) -> Candidates:
    return [(row["Name"], row["Driver"]) for row in context.client.get("/networks")]


def _volumes(context: Context) -> Candidates:
    rows = context.client.get("/volumes").get("Volumes") or ()
    return [(row["Name"], row["Driver"]) for row in rows]


def _nodes(context: Context) -> Candidates:
    rows = context.client.get("/nodes")
    return [(row["Description"]["Hostname"], row["Spec"]["Role"]) for row in rows]


def _services(context: Context) -> Candidates:
    rows = context.client.get("/services")
    return [(row["Spec"]["Name"], _image_of(row["Spec"]["TaskTemplate"])) for row in rows]


def _tasks(context: Context) -> Candidates:
    rows = context.client.get("/tasks")
    return [(row["ID"], f"{_image_of(row['Spec'])}, {row['Status']['State']}") for row in rows]


def _image_of(template: dict[str, Any]) -> str:
    return str(template.get("ContainerSpec", {}).get("Image", "")).partition("@")[0]


def _stacks(context: Context) -> Candidates:
    found = (row["Spec"].get("Labels") or {} for row in context.client.get("/services"))
    return [(labels[STACK], "stack") for labels in found if STACK in labels]


def _named(path: str) -> Callable[[Context], Candidates]:
    def found(context: Context) -> Candidates:
        return [(row["Spec"]["Name"], "") for row in context.client.get(path)]

    return found


def _shells(_context: Context) -> Candidates:
    return [(shell, "") for shell in SHELLS]


def _signals(_context: Context) -> Candidates:
    import signal

    return [(one.name, "") for one in signal.Signals]


def _capabilities(_context: Context) -> Candidates:
    names = (
        "ALL AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN "
        "DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE "
        "MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON "
        "SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE "
        "SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM"
    )
    return [(name, "") for name in names.split()]


SOURCES: dict[str, Callable[[Context], Candidates]] = {
    "capability": _capabilities,
    "config": _named("/configs"),
    "container": _containers,
    "image": _images,
    "network": _networks,
    "node": _nodes,
    "running": lambda context: _containers(context, states=("running", "paused")),
    "secret": _named("/secrets"),
    "service": _services,
    "shell": _shells,
    "signal": _signals,
    "stack": _stacks,
    "stopped": lambda context: _containers(context, states=STOPPED),
    "task": _tasks,
    "volume": _volumes,
}


def candidates(context: Context, kind: str) -> Iterator[tuple[str, str]]:
    """Of all alternatives of `kind`; one with `:` or `=` behind it goes on in the same word."""
    if kind.startswith("="):
        yield from ((word, "") for word in kind[1:].split("|"))
        return
    for one in kind.split("|"):
        source = SOURCES.get(one.rstrip(":="))
        if source is None:
            continue
        try:
            found = source(context)
        except SampanError:
            continue
        for word, description in found:
            yield word + (one[-1] if one[-1] in ":=" else ""), description
