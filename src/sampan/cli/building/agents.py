"""ssh agents that are lent to a build: the user's own, or one that is started for given keys.

A key is never sent anywhere: for keys in files a private `ssh-agent` runs as long as the build, and
the build talks to that.
"""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager

from sampan.cli.command import Exit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_START_S = 5.0


@contextmanager
def lent(wanted: Mapping[str, list[str]]) -> Iterator[dict[str, str]]:
    """Sockets by id. `wanted` has a socket or key files for each. Raises Exit."""
    with ExitStack() as stack:
        found = {}
        for identifier, paths in wanted.items():
            if stat.S_ISSOCK(os.stat(paths[0]).st_mode):  # noqa: PTH116
                if len(paths) > 1:
                    raise Exit(1, f"ERROR: --ssh: only single socket allowed for {identifier}")
                found[identifier] = paths[0]
            else:
                found[identifier] = stack.enter_context(_started(paths))
        yield found


@contextmanager
def _started(keys: list[str]) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="sampan-ssh-") as folder:
        socket = f"{folder}/agent.sock"
        try:
            agent = subprocess.Popen(
                ["ssh-agent", "-D", "-a", socket],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        except FileNotFoundError as error:
            raise Exit(1, "ERROR: --ssh with a key needs the program ssh-agent") from error
        try:
            _wait_for(socket, agent)
            for key in keys:
                _add(key, socket)
            yield socket
        finally:
            agent.terminate()
            agent.wait()


def _wait_for(socket: str, agent: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while not os.path.exists(socket):  # noqa: PTH110
        if agent.poll() is not None or time.monotonic() > deadline:
            raise Exit(1, "ERROR: ssh-agent doesn't start")
        time.sleep(0.01)


def _add(key: str, socket: str) -> None:
    done = subprocess.run(
        ["ssh-add", "-q", key],
        env={**os.environ, "SSH_AUTH_SOCK": socket, "SSH_ASKPASS": "/bin/false"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        reason = done.stderr.decode("utf-8", "replace").strip()
        raise Exit(1, f"ERROR: failed to parse {key}: {reason}")
