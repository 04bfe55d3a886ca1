"""From an instruction's type to the function that lowers it."""

from collections.abc import Callable
from typing import Any

from sampan.builder.dockerfile import instructions as kinds
from sampan.builder.lower import files, metadata, process
from sampan.builder.lower.stage import Lowering, SourceOf
from sampan.errors import InvalidArgument

# Any: each function takes the one instruction type that is its key.
_LOWERERS: dict[type[kinds.Instruction], Callable[[Lowering, Any], None]] = {
    kinds.Arg: metadata.lower_arg,
    kinds.Cmd: process.lower_cmd,
    kinds.Entrypoint: process.lower_entrypoint,
    kinds.Env: metadata.lower_env,
    kinds.Expose: metadata.lower_expose,
    kinds.HealthCheck: process.lower_health,
    kinds.Label: metadata.lower_label,
    kinds.Maintainer: metadata.lower_maintainer,
    kinds.OnBuild: metadata.lower_onbuild,
    kinds.Shell: process.lower_shell,
    kinds.StopSignal: metadata.lower_stop_signal,
    kinds.User: metadata.lower_user,
    kinds.Volume: metadata.lower_volume,
    kinds.Workdir: files.lower_workdir,
}


def lower(lowering: Lowering, instruction: kinds.Instruction, source_of: SourceOf) -> None:
    """Add the instruction's vertex. Raises InvalidArgument for what expansion shows to be wrong."""
    if isinstance(instruction, kinds.Copy):
        files.lower_copy(lowering, instruction, source_of(instruction.from_stage))
        return
    if isinstance(instruction, kinds.Run):
        process.lower_run(lowering, instruction, source_of)
        return
    function = _LOWERERS.get(type(instruction))
    if function is None:
        raise InvalidArgument(f"{instruction.text.split()[0]} isn't allowed here")
    function(lowering, instruction)
