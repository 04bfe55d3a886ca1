"""How images come: pulls, with their progress in the display, and builds."""

from __future__ import annotations

from sampan.compose.progress import Reporter
from sampan.errors import InvalidArgument, SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.cli.commands.compose.display import Display
    from sampan.compose.model import Project, Service


class PullFailed(SampanError):
    """The engine reported a failure inside the progress."""


class CliImages:
    """Pulls and builds for a convergence."""

    def __init__(
        self,
        context: ComposeContext,
        project: Project,
        display: Display,
        *,
        quiet: bool = False,
        quiet_build: bool = False,
    ) -> None:
        self._context = context
        self._project = project
        self._display = display
        self._quiet = quiet
        self._quiet_build = quiet_build

    def pull(self, service: Service, reference: str) -> None:
        """Raises SampanError."""
        reporter = Reporter(self._display, service.name)
        reporter.working("Pulling")
        try:
            self._pull(service, reference, reporter)
        except SampanError as error:
            if service.build is not None:
                reporter.warning("Warning", error.message)
            else:
                reporter.failed(detail=error.message)
            raise
        reporter.done("Pulled")

    def _pull(self, service: Service, reference: str, reporter: Reporter) -> None:
        from sampan.cli.credentials import auth_header
        from sampan.cli.references import BadReference, split

        try:
            name, label = split(reference)
        except BadReference as error:
            raise InvalidArgument(str(error)) from error
        query = [("fromImage", name), ("tag", label or "latest")]
        if service.platform:
            query.append(("platform", service.platform))
        response = self._context.cli.client.call(
            "POST",
            "/images/create",
            query=query,
            headers={"X-Registry-Auth": auth_header(self._context.cli, name)},
        )
        for message in self._context.cli.client.objects(response):
            self._show(message, reporter)

    def _show(self, message: dict[str, Any], reporter: Reporter) -> None:
        if "error" in message or "errorDetail" in message:
            detail = message.get("errorDetail") or {}
            raise PullFailed(str(detail.get("message") or message.get("error")))
        layer = message.get("id")
        if self._quiet or not layer or message.get("progressDetail"):
            return
        Reporter(self._display, str(layer)).done(str(message.get("status", "")))

    def build(self, services: Sequence[Service]) -> None:
        """Raises SampanError."""
        from sampan.cli.commands.compose.building import build_services

        more = ["--quiet"] if self._quiet_build else []
        build_services(self._context, self._project, services, self._display, more)
