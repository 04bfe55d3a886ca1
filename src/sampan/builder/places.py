"""Where a step stands, as BuildKit's progress shows it: `[2/3]`, or `[base 2/3]` with more stages.

Only steps that make files count: FROM of an image, RUN, COPY, ADD, WORKDIR. Pure.
"""

from collections.abc import Sequence

from sampan.builder.dockerfile import instructions as kinds
from sampan.builder.dockerfile.stages import Dockerfile, Stage

_COUNTED = (kinds.Run, kinds.Copy, kinds.Workdir)


class Places:
    """`bases` are the stages' base names, expanded."""

    def __init__(self, file: Dockerfile, bases: Sequence[str]) -> None:
        self._file = file
        self._bases = bases

    def of(self, step: kinds.Instruction, stage: Stage) -> str:
        """Empty for a step that doesn't count."""
        counted = [one for one in stage.instructions if isinstance(one, _COUNTED)]
        first = 1 if self._has_source(stage) else 0
        total = first + len(counted)
        if step is stage.base:
            number = first
        else:
            number = next((first + at for at, one in enumerate(counted, 1) if one is step), 0)
        if number == 0:
            return ""
        name = ""
        if len(self._file.stages) > 1:
            name = f"{stage.name or f'stage-{stage.index}'} "
        return f"[{name}{number}/{total}]"

    def _has_source(self, stage: Stage) -> bool:
        base = self._bases[stage.index]
        return base != "scratch" and self._file.find_earlier(base, stage.index) is None
