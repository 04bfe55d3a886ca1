"""A dry run of a monitor's work in the zygote, before the first fork.

The interpreter writes to the objects that it runs: it specialises bytecode, fills caches, makes
key tables for new classes. Done once here, these pages are shared by all monitors; left to each,
they would be about 200 KiB of private memory per container.
"""

import _socket
import os

from sampan.runtime.monitor import plainjson
from sampan.runtime.monitor.connections import Control
from sampan.runtime.monitor.logfile import LogFile
from sampan.runtime.monitor.loop import Children, Loop
from sampan.runtime.monitor.oci import Runtime
from sampan.runtime.monitor.stdio import Stdio

ROUNDS = 10  # bytecode is specialised after eight runs
LIMIT_S = 1.0


def rehearse() -> None:
    """Leaves nothing open but the pipe that wakes a loop for children, as every monitor has one."""
    loop = Loop()
    children = Children(loop)
    runtime = Runtime(["/proc/self/exe"], children)  # any program that ends at once
    for _ in range(ROUNDS):
        _play(loop, runtime)
    children.close()


def _play(loop: Loop, runtime: Runtime) -> None:
    ours, theirs = _socket.socketpair()
    client, outlet_end = _socket.socketpair()
    control = Control(loop, theirs, handle=_answer, closed=lambda _: None)
    log = LogFile(os.devnull)
    stdio = Stdio(loop, terminal=False, open_stdin=True, stdin_once=True, log=log, spool_dir="/")
    outlet_end.setblocking(False)
    stdio.attach(outlet_end, streams=frozenset({1, 2}), stdin=True).start()
    ours.send(plainjson.encode({"n": 1, "op": "state"}).encode() + b"\n")
    client.send(b"input\n")
    os.write(stdio.child_ends[1], b"output\n" * 3)
    stdio.started(-1)

    def ended(_code: int, _text: str) -> None:
        loop.running = False

    timer = loop.later(LIMIT_S, lambda: ended(0, ""))
    runtime.capture(["-I", "-S", "-c", ""], ended)
    loop.running = True
    loop.run()
    loop.cancel(timer)
    stdio.finish()
    control.close()
    ours.close()
    client.close()


def _answer(control: Control, request: dict[str, object]) -> None:
    control.reply(request, ok={"state": "created", "pid": 0, "exit": None})
