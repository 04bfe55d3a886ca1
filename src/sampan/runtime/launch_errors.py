"""What the OCI runtime said, in the words and exit codes that Docker's clients know.

Clients match on runc's texts ("executable file not found in $PATH", "permission denied"), so what
crun prints is put into them. The exit code is Docker's: 127 for a command that isn't there, 126
for one that can't be invoked, 128 for the rest. Pure.
"""

import re

from sampan.runtime.task_spec import LaunchFailed

_NOT_FOUND = re.compile(r"executable file `(?P<name>[^`]*)` not found", re.DOTALL)
_NOT_ALLOWED = re.compile(r"open executable: (Permission denied|Operation not permitted)")
_RUNC_PREFIX = re.compile(
    r"^(runc (create|exec) failed|exec failed): (unable to start container process: )?"
)
_NOT_A_DIRECTORY = (
    "Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host "
    "path exists and is the expected type"
)


def reason(text: str, command: str) -> str:
    """The cause alone, in runc's words."""
    last = text.strip().splitlines()[-1].strip() if text.strip() else "unknown failure"
    if match := _NOT_FOUND.search(last):
        name = match["name"]
        if "/" in name:
            return f'exec: "{name}": stat {name}: no such file or directory'
        return f'exec: "{name}": executable file not found in $PATH'
    if _NOT_ALLOWED.search(last):
        return f'exec: "{command}": permission denied'
    return _RUNC_PREFIX.sub("", last)


def exit_code(cause: str, command: str) -> int:
    lowered = cause.lower()
    if "executable file not found" in lowered or (
        command and command in cause and "no such file or directory" in lowered
    ):
        return 127
    if "permission denied" in lowered or "is a directory" in lowered:
        return 126
    if "not a directory" in lowered:
        return 127
    return 128


def launch_failed(text: str, *, runtime: str, command: str, verb: str = "create") -> LaunchFailed:
    """`verb` is create (the container's own process) or exec."""
    cause = reason(text, command)
    code = exit_code(cause, command)
    if "not a directory" in cause.lower():
        cause = f"{cause}: {_NOT_A_DIRECTORY}"
    said = f"unable to start container process: {cause}: unknown"
    if verb == "exec":
        return LaunchFailed(f"OCI runtime exec failed: exec failed: {said}", code)
    return LaunchFailed(
        f"failed to create shim task: OCI runtime create failed: {runtime} create failed: {said}",
        code,
    )
