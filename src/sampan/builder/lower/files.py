"""COPY, ADD, WORKDIR."""

import posixpath
import re

from sampan.builder.dockerfile import instructions as kinds
from sampan.builder.graph import Vertex
from sampan.builder.lower.stage import Lowering
from sampan.builder.ops.file import FileOp, Transfer
from sampan.builder.ops.workdir import WorkdirOp
from sampan.errors import InvalidArgument


class InvalidMode(InvalidArgument):
    def __init__(self, text: str) -> None:
        super().__init__(f"invalid chmod parameter: '{text}'. it should be octal string")


def lower_copy(lowering: Lowering, instruction: kinds.Copy, source: Vertex) -> None:
    """`source` is the context, or what --from names."""
    inline_names = {heredoc.word for heredoc in instruction.heredocs}
    destination = absolute_destination(
        lowering.expand(instruction.destination), lowering.config.WorkingDir
    )
    inline = tuple(
        (
            heredoc.name,
            (lowering.expand_body(heredoc.body) if heredoc.expand else heredoc.body).encode(
                "utf-8", "surrogateescape"
            ),
        )
        for heredoc in instruction.heredocs
    )
    chown = lowering.expand(instruction.chown)
    chmod = lowering.expand(instruction.chmod)
    note = f"{instruction.keyword} "
    note += f"--chown={chown} " if chown else ""
    note += f"--chmod={chmod} " if chmod else ""
    transfer = Transfer(
        keyword=instruction.keyword,
        sources=tuple(
            lowering.expand(name) for name in instruction.sources if name not in inline_names
        ),
        inline=inline,
        destination=destination,
        chown=chown,
        chmod=_mode(chmod),
        is_add=instruction.is_add,
        note=note,
    )
    op = FileOp(
        transfer,
        lowering.record(*lowering.shell),
        downloader=lowering.parts.downloader,
        workspaces=lowering.parts.workspaces,
        exporter=lowering.parts.exporter,
        workers=lowering.parts.workers,
    )
    lowering.add(Vertex(op, (lowering.last, source), lowering.label, lowering.shows_result))


def absolute_destination(text: str, workdir: str) -> str:
    """Cleaned; keeps its end in "/" when it means a directory."""
    is_folder = text.endswith(("/", "/.")) or text in {".", ""}
    cleaned = posixpath.normpath(posixpath.join("/", workdir, text))
    cleaned = "/" + cleaned.lstrip("/")
    return cleaned + "/" if is_folder and not cleaned.endswith("/") else cleaned


def _mode(text: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-7]{1,4}", text):
        raise InvalidMode(text)
    return int(text, 8)


def lower_workdir(lowering: Lowering, instruction: kinds.Workdir) -> None:
    path = lowering.expand(instruction.path)
    path = posixpath.normpath(posixpath.join("/", lowering.config.WorkingDir, path))
    path = "/" + path.lstrip("/")
    lowering.change(WorkingDir=path)
    op = WorkdirOp(
        path,
        lowering.record(*lowering.shell, f"#(nop) WORKDIR {path}"),
        workspaces=lowering.parts.workspaces,
        exporter=lowering.parts.exporter,
        workers=lowering.parts.workers,
    )
    lowering.add(Vertex(op, (lowering.last,), lowering.label, lowering.shows_result))
