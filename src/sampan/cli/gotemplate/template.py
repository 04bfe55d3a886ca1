"""A parsed `--format` template, to be run over any number of rows."""

from sampan.cli.gotemplate.execute import Execution
from sampan.cli.gotemplate.functions import FUNCTIONS
from sampan.cli.gotemplate.parser import parse


class Template:
    """Raises TemplateError when `text` can't be parsed; see `Execution` for `name`, `offset`."""

    def __init__(self, text: str, *, name: str = "", offset: int = 0) -> None:
        self._text = text
        self._name = name
        self._offset = offset
        self._nodes = parse(text, FUNCTIONS)

    def render(self, data: object) -> str:
        """The text for `data`. Raises TemplateError."""
        execution = Execution(self._text, data, name=self._name, offset=self._offset)
        execution.run(self._nodes, data)
        return execution.output
