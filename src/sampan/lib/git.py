"""The `git` program on repositories of strangers.

No configuration but ours, no hooks, no questions (credentials are nobody's unless given), only the
protocols that are named, arguments as lists. The commands of one call are one process group, which
is killed when the caller is cancelled. What repositories contain is never run.
"""

import asyncio
import os
import re
import signal
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sampan.errors import Unavailable, Unsupported
from sampan.lib import needs
from sampan.lib.cleanup import shielded

NETWORK_PROTOCOLS = ("http", "https", "git", "ssh")
SSH_COMMAND = "ssh -oBatchMode=yes"
_SETTINGS = (
    *("core.hooksPath=/dev/null", "core.fsmonitor=false", "core.autocrlf=false"),
    *("credential.helper=", "protocol.allow=never", "init.defaultBranch=main"),
    *("advice.detachedHead=false", "gc.auto=0"),
)
_PASSED_ON = re.compile(r"(?i)(?:https?|all|no)_proxy|SSL_CERT_(?:FILE|DIR)|GIT_SSL_CAINFO|PATH")
_SAID_BYTES = 4096


class GitMissing(Unsupported):
    def __init__(self) -> None:
        super().__init__(
            "this needs the git program, which is not installed", hint=needs.GIT.hint()
        )


class GitFailed(Unavailable):
    def __init__(self, said: str) -> None:
        super().__init__(said)


class Git:
    """Runs in `folder`; `home` takes the place of the user's. `settings` are `name=value`.

    `config_file` is for what the other end of a local fetch must know, too: it hears no settings.
    """

    def __init__(
        self,
        folder: Path,
        *,
        home: Path,
        protocols: Sequence[str] = NETWORK_PROTOCOLS,
        settings: Sequence[str] = (),
        ssh_command: str = SSH_COMMAND,
        config_file: str = "/dev/null",
    ) -> None:
        self._folder = folder
        allowed = [f"protocol.{name}.allow=always" for name in protocols]
        chosen = [*_SETTINGS, f"core.sshCommand={ssh_command}", *allowed, *settings]
        self._settings = [word for setting in chosen for word in ("-c", setting)]
        self._environment = _environment(home, protocols, config_file)

    async def run(self, *arguments: str) -> str:
        """Standard output. Raises GitMissing, GitFailed with what git says."""
        try:
            process = await asyncio.create_subprocess_exec(
                "git",
                *self._settings,
                *arguments,
                cwd=self._folder,
                env=self._environment,
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=PIPE,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise GitMissing from error
        try:
            output, said = await process.communicate()
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await shielded(process.wait, what="git of somebody cancelled")
            raise
        if process.returncode:
            reason = said[-_SAID_BYTES:].decode("utf-8", "replace").strip()
            raise GitFailed(reason or f"git {arguments[0]} failed")
        return output.decode("utf-8", "replace")


def _environment(home: Path, protocols: Sequence[str], config_file: str) -> Mapping[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)},
        "HOME": str(home),
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": config_file,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "GIT_ALLOW_PROTOCOL": ":".join(protocols),
    }
