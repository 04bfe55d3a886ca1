"""Listings: tables as Docker prints them, JSON lines, and templates over rows.

A listing has columns (field name -> heading and a function of the item) and items. The default
table needs neither rows nor the template engine, which are loaded for `--format` only.

`--format` is "" or "table" (default columns), "json", "table TEMPLATE", or a template.
"""

from __future__ import annotations

from sampan.cli.command import Exit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sampan.lib.gotemplate.template import Template
    from sampan.lib.gotemplate.values import Record

    Column = tuple[str | Callable[..., object], Callable[..., object]]
    Columns = Mapping[str, Column]

MIN_WIDTH = 10
PADDING = 3


def align(lines: Sequence[Sequence[str]], *, least: int = MIN_WIDTH, gap: int = PADDING) -> str:
    """Cells in columns; a column spans the lines next to each other that have it (tabwriter)."""
    widths: list[list[int]] = [[] for _ in lines]
    _measure(lines, widths, (0, len(lines)), 0, (least, gap))
    return "".join(
        "".join(cell.ljust(width) for cell, width in zip(cells, known, strict=False))
        + cells[-1]
        + "\n"
        for cells, known in zip(lines, widths, strict=True)
        if cells
    )


def _measure(
    lines: Sequence[Sequence[str]],
    widths: list[list[int]],
    span: tuple[int, int],
    column: int,
    room: tuple[int, int],
) -> None:
    """Fills in the widths of `column` and those to its right, for the lines of `span`."""
    row, end = span
    least, gap = room
    while row < end:
        first = row
        width = least
        while row < end and len(lines[row]) - 1 > column:
            width = max(width, len(lines[row][column]) + gap)
            row += 1
        if row == first:
            row += 1
            continue
        for index in range(first, row):
            widths[index].append(width)
        _measure(lines, widths, (first, row), column + 1, room)


class Listing:
    """What a listing verb prints: `fields` are the default table's columns."""

    __slots__ = ("columns", "fields", "type_name")

    def __init__(self, type_name: str, columns: Columns, fields: Sequence[str]) -> None:
        self.type_name = type_name
        self.columns = columns
        self.fields = fields

    def text(self, items: Iterable[object], format_text: str = "") -> str:
        """The whole output. Raises Exit for a bad template."""
        format_text = format_text.strip()
        if format_text in {"", "table"}:
            return self._default_table(items)
        if format_text == "json":
            return "".join(record.to_json() + "\n" for record in self._records(items))
        return self._templated(items, format_text)

    def _default_table(self, items: Iterable[object]) -> str:
        chosen = [self.columns[name] for name in self.fields]
        lines = [[str(heading) for heading, _ in chosen]]
        lines += [[str(value(item)) for _, value in chosen] for item in items]
        return align(lines)

    def _records(self, items: Iterable[object]) -> list[Record]:
        from sampan.lib.gotemplate.values import Record

        return [Record(self.type_name, self.columns, item) for item in items]

    def _templated(self, items: Iterable[object], format_text: str) -> str:
        is_table = format_text.startswith("table ")
        body = format_text[5:].strip() if is_table else format_text
        template = parse_template(unescape(body), offset=6 if is_table else 0)
        rows = [render(template, record) for record in self._records(items)]
        if not is_table:
            return "".join(row + "\n" for row in rows)
        heading = render(template, self._headings())
        return align([row.split("\t") for row in [heading, *rows]])

    def _headings(self) -> Record:
        from sampan.lib.gotemplate.values import Record

        columns = {name: ("", _constant(heading)) for name, (heading, _) in self.columns.items()}
        return Record(self.type_name, columns, None)


def _constant(value: object) -> Callable[[object], object]:
    return lambda _item: value


def unescape(text: str) -> str:
    """The two escapes that shells leave alone in formats."""
    return text.replace("\\t", "\t").replace("\\n", "\n")


def parse_template(text: str, *, name: str = "", offset: int = 0) -> Template:
    from sampan.lib.gotemplate.nodes import TemplateError
    from sampan.lib.gotemplate.template import Template

    try:
        return Template(text, name=name, offset=offset)
    except TemplateError as error:
        raise Exit(1, f"failed to parse template: {error}") from error


def render(template: Template, data: object) -> str:
    from sampan.lib.gotemplate.nodes import TemplateError

    try:
        return template.render(data)
    except TemplateError as error:
        raise Exit(1, f"failed to execute template: {error}") from error
