"""The syntax tree of a template.

Every node knows its offset in the source and how it reads (`str(node)`): both go into error
messages, which name the failing expression.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class TemplateError(ValueError):
    """The template can't be parsed, or fails on the data; the message is Go's."""


class Node:
    __slots__ = ("position", "source")

    def __init__(self, position: int, source: str) -> None:
        self.position = position
        self.source = source

    def __str__(self) -> str:
        return self.source


class Constant(Node):
    """A literal: text, number, true, false or nil."""

    __slots__ = ("value",)

    def __init__(self, position: int, source: str, value: object) -> None:
        super().__init__(position, source)
        self.value = value


class Dot(Node):
    __slots__ = ()


class Field(Node):
    """`.A.B` of the dot, or of `operand` when that is a parenthesised pipeline or variable."""

    __slots__ = ("names", "operand")

    def __init__(
        self, position: int, source: str, names: Sequence[str], operand: Node | None = None
    ) -> None:
        super().__init__(position, source)
        self.names = names
        self.operand = operand


class Variable(Node):
    __slots__ = ("name",)

    def __init__(self, position: int, name: str) -> None:
        super().__init__(position, name)
        self.name = name


class Function(Node):
    __slots__ = ("name",)

    def __init__(self, position: int, name: str) -> None:
        super().__init__(position, name)
        self.name = name


class Command(Node):
    """An operand and its arguments."""

    __slots__ = ("arguments",)

    def __init__(self, arguments: list[Node]) -> None:
        super().__init__(arguments[0].position, " ".join(map(str, arguments)))
        self.arguments = arguments


class Pipeline(Node):
    """Commands joined by `|`; the value goes to `names` by declaration or assignment."""

    __slots__ = ("commands", "declares", "names")

    def __init__(
        self, position: int, commands: list[Command], names: list[str], *, declares: bool
    ) -> None:
        source = " | ".join(map(str, commands))
        if names:
            source = f"{', '.join(names)} {':=' if declares else '='} {source}"
        super().__init__(position, source)
        self.commands = commands
        self.names = names
        self.declares = declares


class Group(Node):
    """A parenthesised pipeline."""

    __slots__ = ("pipeline",)

    def __init__(self, position: int, pipeline: Pipeline) -> None:
        super().__init__(position, f"({pipeline})")
        self.pipeline = pipeline


class Text(Node):
    __slots__ = ()


class Action(Node):
    __slots__ = ("pipeline",)

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__(pipeline.position, str(pipeline))
        self.pipeline = pipeline


class Jump(Node):
    """`break` or `continue`."""

    __slots__ = ()


class Block(Node):
    """`if`, `with` or `range`: `source` is the keyword."""

    __slots__ = ("body", "otherwise", "pipeline")

    def __init__(
        self,
        position: int,
        keyword: str,
        pipeline: Pipeline,
        body: list[Node],
        otherwise: list[Node],
    ) -> None:
        super().__init__(position, keyword)
        self.pipeline = pipeline
        self.body = body
        self.otherwise = otherwise
