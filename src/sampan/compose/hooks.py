"""Commands run in a container after its start and before its stop."""

from collections.abc import Sequence

from sampan.compose.api import EngineApi
from sampan.compose.attributes import Hook
from sampan.compose.observe import ObservedContainer
from sampan.compose.translate import environment
from sampan.errors import SampanError
from sampan.wire.stdcopy import Demultiplexer


class HookFailed(SampanError):
    def __init__(self, service: str, status: int, output: str) -> None:
        text = f"\n{output}" if output else ""
        super().__init__(f"{service} hook exited with status {status}{text}")


def run_hooks(api: EngineApi, service: str, container: str, hooks: Sequence[Hook]) -> None:
    """One after another. Raises HookFailed."""
    for hook in hooks:
        status, output = api.exec(
            container,
            {
                "User": hook.user,
                "Privileged": hook.privileged,
                "WorkingDir": hook.working_dir,
                "Env": environment(hook.environment),
                "Cmd": list(hook.command or ()),
                "AttachStdout": True,
                "AttachStderr": True,
            },
        )
        if status:
            raise HookFailed(service, status, _text(output))


def _text(framed: bytes) -> str:
    payload = b"".join(part for _, part in Demultiplexer().feed(framed))
    return payload.decode("utf-8", "replace").strip()


def stop(
    api: EngineApi,
    container: ObservedContainer,
    hooks: Sequence[Hook] = (),
    timeout_s: int | None = None,
) -> None:
    """Runs the hooks if there is a process to run them beside, then stops."""
    if container.running:
        run_hooks(api, container.service, container.id, hooks)
    api.stop_container(container.id, timeout_s)
