"""What every verb of `compose` gets: the project, the engine, and how progress is shown.

A verb that needs the files calls `project()`; one that also works without (by labels, with `-p`)
calls `project_if_any()` and `project_name()`.
"""

from __future__ import annotations

import sys
import time
from functools import cached_property

from sampan.cli.command import Exit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.cli.commands.compose.display import Display
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags
    from sampan.compose.api import EngineApi
    from sampan.compose.load import LoadOptions
    from sampan.compose.model import Project

PARALLEL_VARIABLE = "COMPOSE_PARALLEL_LIMIT"
ALWAYS, NEVER = "always", "never"


class ComposeContext:
    """One run of one verb."""

    def __init__(self, cli: Context, flags: Flags) -> None:
        self.cli = cli
        self.flags = flags
        self.environment = cli.environment
        self._projects: dict[tuple[tuple[str, ...], bool], Project] = {}

    @cached_property
    def api(self) -> EngineApi:
        from sampan.compose.api import EngineApi

        return EngineApi(self.cli.client)

    def load_options(self, names: Sequence[str] = (), *, needed: bool = True) -> LoadOptions:
        from sampan.compose.load import LoadOptions

        files = self.flags.items("file")
        return LoadOptions(
            files=files,
            project_directory=self.flags.text("project-directory") or self.flags.text("workdir"),
            project_name=self.flags.text("project-name"),
            env_files=self.flags.items("env-file"),
            profiles=self.flags.items("profile"),
            services=names,
            dependencies=needed,
            all_resources=self.flags.on("all-resources"),
            environment=self.environment,
            stdin=sys.stdin.read() if "-" in files else None,
        )

    def project(self, names: Sequence[str] = (), *, needed: bool = True) -> Project:
        """The project, narrowed to the services named and (`needed`) those that they need.

        Its warnings are printed once.
        """
        from sampan.compose.load import load_project

        key = (tuple(names), needed)
        if key not in self._projects:
            self._projects[key] = load_project(self.load_options(names, needed=needed))
            if len(self._projects) == 1:
                for warning in self._projects[key].warnings:
                    self.warn(warning)
        return self._projects[key]

    def project_if_any(self) -> Project | None:
        """None when there are no files but a name, by which containers can be found."""
        from sampan.compose.files import NoComposeFile

        try:
            return self.project()
        except NoComposeFile:
            if self._given_name():
                return None
            raise

    def _given_name(self) -> str:
        named = self.flags.text("project-name")
        return named or self.environment.get("COMPOSE_PROJECT_NAME", "")

    def project_name(self) -> str:
        project = self.project_if_any()
        if project is not None:
            return project.name
        return self._given_name()

    @property
    def dry_run(self) -> bool:
        return self.flags.on("dry-run")

    @property
    def parallel(self) -> int:
        """At most so many requests at once; 0 for no limit."""
        given = self.flags.number("parallel")
        if not self.flags.given("parallel"):
            text = self.environment.get(PARALLEL_VARIABLE, "")
            if text and not text.lstrip("-").isdecimal():
                raise Exit(1, f'{PARALLEL_VARIABLE} must be an integer (found: "{text}")')
            given = int(text or -1)
        return max(given, 0)

    def colours(self, descriptor: int) -> bool:
        """Whether escape sequences may be written to a descriptor."""
        import os

        wanted = self.flags.text("ansi")
        if not self.flags.given("ansi"):
            wanted = self.environment.get("COMPOSE_ANSI", wanted)
        if wanted == ALWAYS:
            return True
        if wanted == NEVER or self.flags.on("no-ansi") or self.environment.get("NO_COLOR"):
            return False
        return os.isatty(descriptor)

    def display(self, title: str = "Running") -> Display:
        """Shows progress on standard error; a context manager."""
        from sampan.cli.commands.compose.display import choose

        kind = self.flags.text("progress") or self.environment.get("COMPOSE_PROGRESS", "auto")
        return choose(kind, title, terminal=self.colours(2), coloured=self.colours(2))

    def warn(self, text: str) -> None:
        """A warning in the form that log readers of Docker Compose know."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        self.cli.err(f'time="{moment}" level=warning msg="{quoted}"\n')

    def say(self, text: str) -> None:
        self.cli.say(text)

    def err(self, text: str) -> None:
        self.cli.err(text)
