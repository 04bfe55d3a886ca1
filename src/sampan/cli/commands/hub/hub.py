"""`hub` runs a registry in this process, `hub gc` collects its garbage; the flags are the hub's."""

from __future__ import annotations

from sampan.cli.command import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags


def run(_context: Context, _flags: Flags, words: list[str]) -> int:
    # By name: the hub is no library of the command line, only the process it turns into.
    module = __import__("sampan.hub.main", fromlist=["entry"])
    return int(module.entry(words))


def collect(_context: Context, _flags: Flags, words: list[str]) -> int:
    module = __import__("sampan.hub.collecting", fromlist=["entry"])
    return int(module.entry(words))


HUB = Command(run, "--root DIR [OPTIONS]", most=None, raw=True)
GC = Command(collect, "--root DIR [OPTIONS]", most=None, raw=True)
