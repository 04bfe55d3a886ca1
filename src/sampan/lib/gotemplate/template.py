"""A parsed template, to be run over any number of values."""

from __future__ import annotations

from sampan.lib.gotemplate.execute import Execution
from sampan.lib.gotemplate.functions import FUNCTIONS
from sampan.lib.gotemplate.parser import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.lib.gotemplate.functions import Functions


class Template:
    """Raises TemplateError when `text` can't be parsed; see `Execution` for `name`, `offset`.

    `functions` are those that a template may call.
    """

    def __init__(
        self, text: str, *, name: str = "", offset: int = 0, functions: Functions = FUNCTIONS
    ) -> None:
        self._text = text
        self._name = name
        self._offset = offset
        self._functions = functions
        self._nodes = parse(text, functions)

    def render(self, data: object) -> str:
        """The text for `data`. Raises TemplateError."""
        execution = Execution(
            self._text,
            data,
            name=self._name,
            offset=self._offset,
            functions=self._functions,
        )
        execution.run(self._nodes, data)
        return execution.output
