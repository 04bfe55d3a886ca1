"""The environment of a container's process. Pure.

Docker's order: PATH, HOSTNAME, TERM, variables of links; then the container's own, which replace
those before; a name without `=` takes a variable away. HOME is the user's unless given.
"""

from collections.abc import Sequence

from sampan.wire.containers import ContainerConfig

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def build(config: ContainerConfig, *, links: Sequence[str], home: str) -> tuple[str, ...]:
    base = [f"PATH={PATH}", f"HOSTNAME={config.Hostname}"]
    if config.Tty:
        base.append("TERM=xterm")
    values: dict[str, str] = {}
    for entry in (*base, *links, *(config.Env or ())):
        name, equals, value = entry.partition("=")
        if equals:
            values[name] = value
        else:
            values.pop(name, None)
    values.setdefault("HOME", home)
    return tuple(f"{name}={value}" for name, value in values.items())
