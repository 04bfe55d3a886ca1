"""From tokens to the syntax tree. Errors are those of Go's text/template/parse."""

from __future__ import annotations

from sampan.lib.gotemplate.lexer import fail, tokens, unquote
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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from sampan.lib.gotemplate.lexer import Token

_KEYWORDS = frozenset(
    {"if", "else", "end", "range", "with", "break", "continue", "define", "template", "block"}
)
_WORDS: dict[str, object] = {"true": True, "false": False, "nil": None}


def parse(text: str, functions: Container[str]) -> list[Node]:
    """The template's nodes. Raises TemplateError."""
    parser = _Parser(text, functions)
    nodes, stop = parser.block()
    if stop:
        raise parser.fail(f"unexpected {{{{{stop}}}}}")
    return nodes


class _Parser:
    def __init__(self, text: str, functions: Container[str]) -> None:
        self.text = text
        self.functions = functions
        self._tokens = list(tokens(text))
        self._next = 0
        self._ranges = 0  # around what is being read

    def fail(self, reason: str) -> TemplateError:
        offset = self._tokens[min(self._next, len(self._tokens) - 1)][1] if self._tokens else 0
        return fail(self.text, offset, reason)

    def peek(self) -> Token:
        if self._next < len(self._tokens):
            return self._tokens[self._next]
        return "end of text", len(self.text), ""

    def take(self) -> Token:
        token = self.peek()
        self._next += 1
        return token

    def skip_space(self) -> None:
        while self.peek()[0] == "space":
            self._next += 1

    def block(self, *, inside: str = "") -> tuple[list[Node], str]:
        """Nodes up to `end` or `else` (returned) or the end of the text ("")."""
        nodes: list[Node] = []
        while self._next < len(self._tokens):
            kind, offset, value = self.take()
            if kind == "text":
                nodes.append(Text(offset, value))
                continue
            self.skip_space()
            kind, offset, value = self.peek()
            if kind == "word" and value in _KEYWORDS:
                self.take()
                if value in {"end", "else"}:
                    if value == "end":
                        self._close(value)
                    return nodes, value
                nodes.append(self._keyword(offset, value))
                continue
            nodes.append(Action(self._pipeline("command")))
            self._close("command")
        if inside:
            raise fail(self.text, len(self.text), "unexpected EOF")
        return nodes, ""

    def _close(self, where: str) -> None:
        self.skip_space()
        kind, _, value = self.take()
        if kind != "close":
            raise self.fail(f'unexpected "{value}" in {where}')

    def _keyword(self, offset: int, keyword: str) -> Node:
        if keyword in {"break", "continue"}:
            self._close(keyword)
            if not self._ranges:
                raise self.fail(f"{{{{{keyword}}}}} outside {{{{range}}}}")
            return Jump(offset, keyword)
        if keyword in {"define", "template", "block"}:
            raise self.fail(f"{{{{{keyword}}}}} is not available in a format")
        return self._control(offset, keyword)

    def _control(self, offset: int, keyword: str) -> Block:
        pipeline = self._pipeline(keyword)
        self._close(keyword)
        self._ranges += keyword == "range"
        body, stop = self.block(inside=keyword)
        self._ranges -= keyword == "range"
        otherwise: list[Node] = []
        if stop == "else":
            self.skip_space()
            kind, position, value = self.peek()
            if kind == "word" and value in {"if", "with"}:
                self.take()
                otherwise = [self._control(position, value)]
            else:
                self._close("else")
                otherwise, stop = self.block(inside=keyword)
                if stop == "else":
                    raise self.fail("expected end; found {{else}}")
        return Block(offset, keyword, pipeline, body, otherwise)

    def _declared(self) -> tuple[list[str], bool]:
        """Variables before `:=` or `=`; nothing is consumed when there are none."""
        start = self._next
        names: list[str] = []
        while True:
            self.skip_space()
            kind, _, value = self.take()
            if kind != "variable":
                break
            names.append(value)
            self.skip_space()
            kind, _, value = self.take()
            if kind in {":=", "="}:
                return names, kind == ":="
            if kind != ",":
                break
        self._next = start
        return [], False

    def _pipeline(self, where: str) -> Pipeline:
        self.skip_space()
        offset = self.peek()[1]
        names, declares = self._declared()
        commands: list[Command] = []
        while True:
            arguments = self._operands()
            if arguments:
                commands.append(Command(arguments))
            elif self.peek()[0] == "|" or commands:
                raise self.fail(f"missing value for {where}")
            self.skip_space()
            if self.peek()[0] != "|":
                break
            self.take()
        if not commands:
            raise self.fail(f"missing value for {where}")
        return Pipeline(offset, commands, names, declares=declares)

    def _operands(self) -> list[Node]:
        arguments: list[Node] = []
        while True:
            self.skip_space()
            kind, _, value = self.peek()
            if kind in {"close", "|", ")"}:
                return arguments
            operand = self._operand()
            if operand is None:
                raise self.fail(f'unexpected "{value}" in operand' if value else "unexpected EOF")
            arguments.append(operand)

    def _operand(self) -> Node | None:
        operand = self._term()
        if operand is None or self.peek()[0] != "field":
            return operand
        position = self.peek()[1]
        names: list[str] = []
        source = str(operand)
        while self.peek()[0] == "field":
            value = self.take()[2]
            names.append(value[1:])
            source += value
        if isinstance(operand, Field) and operand.operand is None:
            return Field(position, source, [*operand.names, *names])
        return Field(position, source, names, operand)

    def _term(self) -> Node | None:
        kind, offset, value = self.take()
        if kind == "field":
            return Field(offset, value, [value[1:]])
        if kind == "dot":
            return Dot(offset, ".")
        if kind == "variable":
            return Variable(offset, value)
        if kind == "word":
            return self._word(offset, value)
        if kind in {"string", "raw"}:
            return Constant(offset, value, unquote(value))
        if kind == "char":
            return Constant(offset, value, ord(unquote(value)))
        if kind == "number":
            return Constant(offset, value, self._number(value))
        if kind == "(":
            pipeline = self._pipeline("parenthesized pipeline")
            self.skip_space()
            if self.take()[0] != ")":
                raise self.fail("unclosed left paren")
            return Group(offset, pipeline)
        return None

    def _word(self, offset: int, value: str) -> Node:
        if value in _WORDS:
            return Constant(offset, value, _WORDS[value])
        if value not in self.functions:
            raise self.fail(f'function "{value}" not defined')
        return Function(offset, value)

    def _number(self, value: str) -> object:
        try:
            return int(value, 0)
        except ValueError:
            pass
        try:
            return float(value)
        except ValueError as error:
            raise self.fail(f"bad number syntax: {value!r}".replace("'", '"')) from error
