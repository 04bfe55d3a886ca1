"""A whole Dockerfile: global ARGs, then stages; and which stages a target needs. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sampan.builder.dockerfile import instructions as kinds
from sampan.builder.dockerfile.decode import decode
from sampan.builder.dockerfile.lexer import LogicalLine, lex
from sampan.builder.dockerfile.parser import Node, parse_line
from sampan.builder.dockerfile.source import BadInstruction, DockerfileSyntax, SourceRange
from sampan.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Stage:
    """`name` is lower case, empty when not given."""

    index: int
    base: kinds.From
    instructions: tuple[kinds.Instruction, ...]

    @property
    def name(self) -> str:
        return self.base.stage_name


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """`nodes` are all its lines, as they were before they became instructions; `gaps` those with
    empty lines inside; `directives` are `syntax`, `escape` and `check` as written."""

    global_args: tuple[kinds.Arg, ...]
    stages: tuple[Stage, ...]
    escape: str
    nodes: tuple[Node, ...] = ()
    gaps: tuple[SourceRange, ...] = ()
    directives: Mapping[str, str] = field(default_factory=dict)

    def up_to(self, target: str) -> int:
        """Index of the stage to build. Raises TargetNotFound."""
        if not target:
            return len(self.stages) - 1
        for stage in self.stages:
            if stage.name and stage.name == target.lower():
                return stage.index
        if target.isdecimal() and int(target) < len(self.stages):
            return int(target)
        raise TargetNotFound(target)

    def find_earlier(self, name: str, before: int) -> Stage | None:
        """The stage that `name` (or number) means in stage `before`; None: it is an image."""
        for stage in reversed(self.stages[:before]):
            if stage.name and stage.name == name.lower():
                return stage
        return None

    def needed(self, target: int, bases: Sequence[str]) -> tuple[Stage, ...]:
        """The stages that `target` is made of, in order, itself last.

        `bases` are the stages' base names, expanded.
        """
        wanted = {target}
        for index in range(target, -1, -1):
            if index in wanted:
                wanted |= self._inputs(self.stages[index], bases[index])
        return tuple(stage for stage in self.stages if stage.index in wanted)

    def find_source(self, name: str, before: int) -> Stage | None:
        """Like `find_earlier` for `--from`, which takes numbers too."""
        if name.isdecimal() and int(name) < before:
            return self.stages[int(name)]
        return self.find_earlier(name, before)

    def _inputs(self, stage: Stage, base: str) -> set[int]:
        found = [self.find_earlier(base, stage.index)]
        found += [
            self.find_source(name, stage.index)
            for instruction in stage.instructions
            for name in source_names(instruction)
        ]
        return {earlier.index for earlier in found if earlier is not None}


def source_names(instruction: kinds.Instruction) -> tuple[str, ...]:
    """What an instruction reads beside the context: stages, named contexts or images."""
    if isinstance(instruction, kinds.Copy):
        return (instruction.from_stage,) if instruction.from_stage else ()
    if isinstance(instruction, kinds.Run):
        return tuple(mount.source_name for mount in instruction.mounts if mount.source_name)
    return ()


class TargetNotFound(InvalidArgument):
    def __init__(self, target: str) -> None:
        super().__init__(f"failed to reach build target {target} in Dockerfile")


class NoStage(InvalidArgument):
    def __init__(self) -> None:
        super().__init__("no build stage in current context")


def parse_dockerfile(text: str) -> Dockerfile:
    """Raises DockerfileSyntax, BadInstruction, NoStage."""
    lexed = lex(text)
    if not lexed.lines:
        raise DockerfileSyntax("file with no instructions")
    global_args: list[kinds.Arg] = []
    heads: list[kinds.From] = []
    bodies: list[list[kinds.Instruction]] = []
    # Splitting problems anywhere come before wrong instructions, as in the reference parser.
    nodes = [parse_line(line, lexed.escape) for line in lexed.lines]
    for node in nodes:
        instruction = decode(node)
        if isinstance(instruction, kinds.From):
            heads.append(instruction)
            bodies.append([])
        elif bodies:
            bodies[-1].append(instruction)
        elif isinstance(instruction, kinds.Arg):
            global_args.append(instruction)
        else:
            raise NoStage
    if not heads:
        raise NoStage
    stages = tuple(
        Stage(index, head, tuple(body))
        for index, (head, body) in enumerate(zip(heads, bodies, strict=True))
    )
    return Dockerfile(
        tuple(global_args), stages, lexed.escape, tuple(nodes), lexed.gaps, lexed.directives
    )


def parse_trigger(expression: str) -> kinds.Instruction:
    """One ONBUILD expression of a base image. Raises DockerfileSyntax, BadInstruction."""
    lexed = lex(expression)
    if len(lexed.lines) != 1:
        raise DockerfileSyntax(f"ONBUILD trigger should be a single expression: {expression}")
    return decode(parse_line(lexed.lines[0], lexed.escape))


def parse_changes(changes: list[str]) -> tuple[kinds.Instruction, ...]:
    """The `--change` lines of commit and import. Raises DockerfileSyntax, BadInstruction."""
    found = []
    for number, change in enumerate(changes, 1):
        for line in lex(change).lines:
            where = SourceRange(number, number)
            node = parse_line(LogicalLine(line.text, where, line.heredocs), "\\")
            if node.keyword not in CHANGE_KEYWORDS:
                raise BadInstruction(f"{node.keyword} is not a valid change command", where)
            found.append(decode(node))
    return tuple(found)


CHANGE_KEYWORDS = frozenset(  # moby builder/dockerfile validCommitCommands
    {
        "CMD",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "HEALTHCHECK",
        "LABEL",
        "ONBUILD",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
        "WORKDIR",
    }
)
