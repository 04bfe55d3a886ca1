"""COPY, ADD, WORKDIR."""

import posixpath

from sampan.builder.dockerfile import instructions as kinds
from sampan.builder.fetched import Wanted
from sampan.builder.graph import Vertex
from sampan.builder.lower.stage import Lowering
from sampan.builder.modes import parse_mode
from sampan.builder.ops.file import FileOp, Transfer
from sampan.builder.ops.workdir import WorkdirOp


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
        wanted=Wanted(
            sources=tuple(
                lowering.expand(name) for name in instruction.sources if name not in inline_names
            ),
            inline=inline,
            is_add=instruction.is_add,
            checksum=lowering.expand(instruction.checksum),
            keep_git_dir=instruction.keep_git_dir,
        ),
        destination=destination,
        chown=chown,
        chmod=chmod,
        change_mode=parse_mode(chmod) if chmod else None,
        unpack=instruction.unpack if instruction.is_add else False,
        parents=instruction.parents,
        excludes=tuple(lowering.expand(pattern) for pattern in instruction.excludes),
        linked=instruction.link,
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
