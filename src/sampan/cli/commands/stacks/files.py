"""The Compose files of a stack: flags, loading, and what a swarm can't do refused with its line."""

from __future__ import annotations

import sys

from sampan.cli.command import Exit
from sampan.cli.flags import Flag
from sampan.compose.load import LoadOptions, load_project, load_tree
from sampan.compose.stack_spec import refusal
from sampan.lib.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags
    from sampan.compose.model import Project

FILES = Flag("compose-file", "c", "strings", 'Path to a Compose file, or "-" to read from stdin')


def options_of(context: Context, flags: Flags, name: str) -> LoadOptions:
    files = flags.items("compose-file")
    if not files:
        raise Exit(1, "Please specify a Compose file (with --compose-file)")
    return LoadOptions(
        files=files,
        project_name=name,
        environment=context.environment,
        stdin=sys.stdin.read() if "-" in files else None,
        all_resources=True,
    )


def load_stack(context: Context, flags: Flags, name: str) -> Project:
    """Raises ComposeError naming file and line, Exit."""
    options = options_of(context, flags, name)
    loaded = load_tree(replace(options, normalise=False))
    if (found := refusal(loaded.tree)) is not None:
        raise loaded.notes.located(found)
    project = load_project(options)
    for warning in project.warnings:
        context.err(f"{warning}\n")
    return project
