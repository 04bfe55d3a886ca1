"""The engine as a service of the machine: systemd's two units, or OpenRC's script.

    /etc/systemd/system/sampan.service   the daemon, on the socket that systemd hands over
    /etc/systemd/system/sampan.socket    /run/sampan.sock, for root and the group sampan
    /etc/init.d/sampan                   the same for OpenRC; the daemon makes its socket itself

The files come with the package (setup/units) and say /usr/bin/sampan; what is written says the
program that runs now, wherever it was installed. Writing is idempotent and starts nothing.
"""

import grp
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from sampan.errors import Internal, Unsupported
from sampan.lib.atomicfile import write_atomic

GROUP = "sampan"
_PACKAGED = "/usr/bin/sampan"
_COMMAND_S = 60.0


@dataclass(frozen=True, slots=True)
class Init:
    """One kind of process 1: its files (name in the package, place, mode), and what enables it."""

    name: str
    files: tuple[tuple[str, str, int], ...]
    after_writing: tuple[str, ...]
    enabling: tuple[tuple[str, ...], ...]


SYSTEMD = Init(
    "systemd",
    (
        ("sampan.service", "etc/systemd/system/sampan.service", 0o644),
        ("sampan.socket", "etc/systemd/system/sampan.socket", 0o644),
    ),
    ("systemctl", "daemon-reload"),
    (("systemctl", "enable", "--now", "sampan.socket", "sampan.service"),),
)
OPENRC = Init(
    "OpenRC",
    (("sampan.openrc", "etc/init.d/sampan", 0o755),),
    (),
    (("rc-update", "add", "sampan", "default"), ("rc-service", "sampan", "start")),
)


class NoInit(Unsupported):
    def __init__(self) -> None:
        super().__init__(
            "neither systemd nor OpenRC is on this machine",
            hint="run `sampan daemon` from whatever starts services here",
        )


def detect(root: Path = Path("/")) -> tuple[Init, bool]:
    """Which one, and whether it runs (it doesn't in a chroot or an image). Raises NoInit."""
    if (root / "run/systemd/system").is_dir():
        return SYSTEMD, True
    if (root / "run/openrc").is_dir():
        return OPENRC, True
    for init, program in ((SYSTEMD, "systemctl"), (OPENRC, "openrc-run")):
        if shutil.which(program):
            return init, False
    raise NoInit


def own_command(argument_zero: str, interpreter: str) -> list[str]:
    """What starts this very program: a name in PATH stays a name that survives upgrades."""
    found = shutil.which(argument_zero)
    if found is None or argument_zero.endswith(".py"):
        return [interpreter, "-m", "sampan.cli"]
    return [str(Path(found).absolute())]


def text_of(name: str, command: Sequence[str]) -> str:
    """A file of the package with `command` in the place of the packaged path."""
    text = resources.files("sampan.setup").joinpath(f"units/{name}").read_text()
    program, *more = command
    if name.endswith(".openrc"):
        arguments = " ".join([*more, "daemon"])
        text = text.replace('command_args="daemon ', f'command_args="{arguments} ')
        return text.replace(f'"{_PACKAGED}"', f'"{program}"')
    return text.replace(f"{_PACKAGED} ", " ".join([*map(_quoted, command), ""]))


def _quoted(word: str) -> str:
    """For ExecStart= (systemd.syntax(7)): quotes where there are blanks, no specifiers."""
    word = word.replace("%", "%%")
    return f'"{word}"' if " " in word else word


def write(init: Init, command: Sequence[str], root: Path = Path("/")) -> list[Path]:
    """The files that were written; those that say the same already are left alone."""
    written = []
    for name, place, mode in init.files:
        path, text = root / place, text_of(name, command)
        if path.exists() and path.read_text() == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text.encode(), mode=mode)
        written.append(path)
    return written


def ensure_group() -> bool:
    """The group whose members may use the socket; whether it had to be made."""
    try:
        grp.getgrnam(GROUP)
    except KeyError:
        adding = ["groupadd", "--system"] if shutil.which("groupadd") else ["addgroup", "-S"]
        run([*adding, GROUP])
        return True
    return False


def run(command: Sequence[str]) -> None:
    """Raises Internal with what the command said."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_COMMAND_S,
            check=False,
            env=dict(os.environ),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Internal(f"{' '.join(command)}: {error}") from error
    if done.returncode:
        said = done.stdout.decode(errors="replace").strip()
        raise Internal(f"{' '.join(command)}: {said or done.returncode}")
