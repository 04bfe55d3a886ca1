"""Running a template over data.

The dot, the variables in scope and the output are the whole state. Errors carry the place in the
template: `template: :1:2: executing "" at <.NoSuch>: ...`.
"""

from __future__ import annotations

from sampan.lib.gotemplate.functions import FUNCTIONS, FunctionError
from sampan.lib.gotemplate.nodes import (
    Action,
    Block,
    Command,
    Constant,
    Dot,
    Field,
    Function,
    Group,
    Jump,
    Node,
    Pipeline,
    TemplateError,
    Text,
    Variable,
)
from sampan.lib.gotemplate.values import NO_VALUE, GoStruct, NoValue, Record, show, truth, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sampan.lib.gotemplate.functions import Functions

_ABSENT = object()


class _Break(Exception):
    """A jump, not an error."""


class _Continue(Exception):
    """A jump, not an error."""


class Execution:
    """One run; `name` is the template's name in messages, `offset` what was cut off before it."""

    def __init__(
        self,
        text: str,
        data: object,
        *,
        name: str = "",
        offset: int = 0,
        functions: Functions = FUNCTIONS,
    ) -> None:
        self._functions = functions
        self._text = text
        self._name = name
        self._offset = offset
        self._out: list[str] = []
        self._variables: list[tuple[str, object]] = [("$", data)]

    @property
    def output(self) -> str:
        return "".join(self._out)

    def fail(self, node: Node, reason: str) -> TemplateError:
        before = self._text[: node.position]
        line = before.count("\n") + 1
        column = node.position - (before.rfind("\n") + 1)
        if line == 1:
            column += self._offset
        where = f"{self._name}:{line}:{column}"
        return TemplateError(f'template: {where}: executing "{self._name}" at <{node}>: {reason}')

    def run(self, nodes: Iterable[Node], dot: object) -> None:
        for node in nodes:
            if isinstance(node, Text):
                self._out.append(node.source)
            elif isinstance(node, Action):
                value = self._pipeline(node.pipeline, dot)
                if not node.pipeline.names:
                    self._out.append(show(value))
            elif isinstance(node, Block):
                self._block(node, dot)
            elif isinstance(node, Jump):
                raise _Break if node.source == "break" else _Continue

    def _block(self, node: Block, dot: object) -> None:
        mark = len(self._variables)
        if node.source == "range":
            self._range(node, dot)
        else:
            value = self._pipeline(node.pipeline, dot)
            inner = value if node.source == "with" else dot
            if truth(value):
                self.run(node.body, inner)
            else:
                self.run(node.otherwise, dot)
        del self._variables[mark:]

    def _range(self, node: Block, dot: object) -> None:
        names = node.pipeline.names
        value = self._pipeline(node.pipeline, dot, declare=False)
        items = self._items(node, value)
        mark = len(self._variables)
        for key, item in items:
            if len(names) > 1:
                self._variables.append((names[0], key))
            if names:
                self._variables.append((names[-1], item))
            try:
                self.run(node.body, item)
            except _Continue:
                continue
            except _Break:
                break
            finally:
                del self._variables[mark:]
        if not items:
            self.run(node.otherwise, dot)

    def _items(self, node: Block, value: object) -> list[tuple[object, object]]:
        if value is None or isinstance(value, NoValue):
            return []
        if isinstance(value, dict) and not isinstance(value, GoStruct):
            return [(key, value[key]) for key in sorted(value)]
        if isinstance(value, list | tuple):
            return list(enumerate(value))
        if isinstance(value, int) and not isinstance(value, bool):
            return [(number, number) for number in range(value)]
        raise self.fail(node.pipeline, f"range can't iterate over {show(value)}")

    def _pipeline(self, node: Pipeline, dot: object, *, declare: bool = True) -> object:
        value: object = _ABSENT
        for command in node.commands:
            value = self._command(command, dot, value)
        if declare and node.names:
            if node.declares:
                self._variables.append((node.names[0], value))
            else:
                self._assign(node, value)
        return value

    def _assign(self, node: Pipeline, value: object) -> None:
        for index in range(len(self._variables) - 1, -1, -1):
            if self._variables[index][0] == node.names[0]:
                self._variables[index] = (node.names[0], value)
                return
        raise self.fail(node, f"undefined variable: {node.names[0]}")

    def _command(self, node: Command, dot: object, final: object) -> object:
        first, *rest = node.arguments
        if isinstance(first, Function):
            return self._call(node, first, rest, dot, final)
        if isinstance(first, Field):
            arguments = [self._value(argument, dot) for argument in rest]
            if final is not _ABSENT:
                arguments.append(final)
            return self._field(first, dot, arguments)
        if rest or final is not _ABSENT:
            raise self.fail(first, f"can't give argument to non-function {first}")
        return self._value(first, dot)

    def _call(
        self, node: Command, function: Function, rest: Sequence[Node], dot: object, final: object
    ) -> object:
        if function.name in {"and", "or"}:
            return self._short_circuit(function.name, rest, dot, final)
        arguments = [self._value(argument, dot) for argument in rest]
        if final is not _ABSENT:
            arguments.append(final)
        least, most, run = self._functions[function.name]
        if len(arguments) < least or (most is not None and len(arguments) > most):
            wanted = f"at least {least}" if most is None else str(least)
            raise self.fail(
                function,
                f"wrong number of args for {function.name}: want {wanted} got {len(arguments)}",
            )
        try:
            return run(*arguments)
        except FunctionError as error:
            raise self.fail(node, f"error calling {function.name}: {error}") from error

    def _short_circuit(self, name: str, rest: Sequence[Node], dot: object, final: object) -> object:
        value: object = NO_VALUE
        for argument in rest:
            value = self._value(argument, dot)
            if truth(value) == (name == "or"):
                return value
        return value if final is _ABSENT else final

    def _value(self, node: Node, dot: object) -> object:
        if isinstance(node, Constant):
            return node.value
        if isinstance(node, Dot):
            return dot
        if isinstance(node, Field):
            return self._field(node, dot, [])
        if isinstance(node, Variable):
            return self._variable(node)
        if isinstance(node, Group):
            return self._pipeline(node.pipeline, dot)
        if isinstance(node, Function):
            return self._call(Command([node]), node, (), dot, _ABSENT)
        raise self.fail(node, "not an operand")

    def _variable(self, node: Variable) -> object:
        for name, value in reversed(self._variables):
            if name == node.name:
                return value
        raise self.fail(node, f"undefined variable: {node.name}")

    def _field(self, node: Field, dot: object, arguments: list[object]) -> object:
        value = dot if node.operand is None else self._value(node.operand, dot)
        for index, name in enumerate(node.names):
            value = self._member(node, value, name)
            if callable(value):
                last = index == len(node.names) - 1
                value = value(*map(show, arguments)) if last else value()
                arguments = [] if last else arguments
        if arguments:
            raise self.fail(
                node, f"{node.names[-1]} has arguments but cannot be invoked as function"
            )
        return value

    def _member(self, node: Field, value: object, name: str) -> object:
        if isinstance(value, Record | GoStruct):
            try:
                return value.find(name)
            except KeyError as error:
                if isinstance(value, GoStruct):
                    reason = f'map has no entry for key "{name}"'
                else:
                    reason = f"can't evaluate field {name} in type {value.type_name}"
                raise self.fail(node, reason) from error
        if isinstance(value, dict):
            return value.get(name, NO_VALUE)
        if value is None or isinstance(value, NoValue):
            raise self.fail(node, f"nil pointer evaluating interface {{}}.{name}")
        raise self.fail(node, f"can't evaluate field {name} in type {type_name(value)}")
