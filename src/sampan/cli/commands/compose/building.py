"""Builds of services' images: each is one `build` command line, carried out by that command.

So everything that the builder can do (secrets, agents, named contexts, caches) is there with the
same words. The image gets Docker Compose's labels; services named as contexts are built first.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager

from sampan.cli.command import Exit
from sampan.cli.flags import parse
from sampan.compose.labels import COMPOSE_VERSION, PROJECT, SERVICE, VERSION
from sampan.compose.progress import Reporter
from sampan.compose.translate import NotHonoured, image_name
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.cli.commands.compose.display import Display
    from sampan.compose.attributes import Build
    from sampan.compose.model import Project, Service

SERVICE_CONTEXT = "service:"
REMOTE = ("http://", "https://", "git://", "git@", "ssh://", "github.com/")


class MissingBuild(InvalidArgument):
    def __init__(self, service: str) -> None:
        super().__init__(f'service "{service}" has no build section')


def in_build_order(project: Project, services: Sequence[Service]) -> list[Service]:
    """Services whose images others build on come first."""
    done: list[Service] = []

    def visit(service: Service) -> None:
        if service in done or service.build is None:
            return
        for source in service.build.additional_contexts.values():
            other = project.all_services().get(source.removeprefix(SERVICE_CONTEXT))
            if source.startswith(SERVICE_CONTEXT) and other is not None and other is not service:
                visit(other)
        done.append(service)

    for service in services:
        visit(service)
    return done


def build_services(
    context: ComposeContext,
    project: Project,
    services: Sequence[Service],
    display: Display,
    more: Sequence[str] = (),
) -> None:
    """Builds one after another; `more` are words for every build. Raises what `build` raises."""
    from sampan.cli.commands.images.build import BUILD

    for service in in_build_order(project, services):
        image = image_name(project, service)
        reporter = Reporter(display, image)
        reporter.working("Building")
        with display.suspended(), _dockerfile(service) as inline:
            words = build_words(context, project, service, inline)
            flags, rest = parse(BUILD.flags, [*words, *more, _context(service)])
            try:
                BUILD.run(context.cli, flags, rest)
            except Exit as error:
                reporter.failed(detail=error.message)
                raise Exit(error.status, f"failed to solve: {error.message}") from error
        reporter.done("Built")


def _build(service: Service) -> Build:
    if service.build is None:
        raise MissingBuild(service.name)
    return service.build


def _context(service: Service) -> str:
    return _build(service).context


@contextmanager
def _dockerfile(service: Service) -> Iterator[str]:
    """The path of a file with the inline Dockerfile; "" when there is none."""
    text = _build(service).dockerfile_inline
    if not text:
        yield ""
        return
    descriptor, path = tempfile.mkstemp(prefix="Dockerfile.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        yield path
    finally:
        os.unlink(path)  # noqa: PTH108 - like the rest of the client, without pathlib


def build_words(
    context: ComposeContext, project: Project, service: Service, inline: str
) -> list[str]:
    """The flags of the service's `build` command. Raises NotHonoured."""
    build = _build(service)
    if build.privileged or build.entitlements:
        raise NotHonoured(service.name, "build.privileged", "is not supported by the builder")
    words = [*_names(project, service, build), *_file(build, inline), *_lists(build)]
    for key, value in (
        ("target", build.target),
        ("network", build.network),
        ("isolation", build.isolation),
        ("shm-size", str(int(build.shm_size)) if build.shm_size else ""),
        ("platform", service.platform or ",".join(build.platforms[:1])),
    ):
        if value:
            words += [f"--{key}", value]
    words += ["--no-cache"] if build.no_cache else []
    words += ["--pull"] if build.pull else []
    words += _secrets(project, build)
    return words + _arguments(context, build)


def build_labels(project: Project, service: Service, build: Build) -> dict[str, str]:
    return {
        **build.labels,
        PROJECT: project.name,
        SERVICE: service.name,
        VERSION: COMPOSE_VERSION,
    }


def _names(project: Project, service: Service, build: Build) -> list[str]:
    words = []
    for tag in (image_name(project, service), *build.tags):
        words += ["--tag", tag]
    for key, value in build_labels(project, service, build).items():
        words += ["--label", f"{key}={value}"]
    for name, source in build.additional_contexts.items():
        other = project.all_services().get(source.removeprefix(SERVICE_CONTEXT))
        if source.startswith(SERVICE_CONTEXT) and other is not None:
            source = f"docker-image://{image_name(project, other)}"
        words += ["--build-context", f"{name}={source}"]
    return words


def _file(build: Build, inline: str) -> list[str]:
    if inline:
        return ["--file", inline]
    if not build.dockerfile:
        return []
    if build.context.startswith(REMOTE) or build.dockerfile.startswith("/"):
        return ["--file", build.dockerfile]
    return ["--file", os.path.normpath(os.path.join(build.context, build.dockerfile))]  # noqa: PTH118


def _lists(build: Build) -> list[str]:
    words = []
    for key, values in (
        ("cache-from", build.cache_from),
        ("cache-to", build.cache_to),
        ("no-cache-filter", build.no_cache_filter),
    ):
        for value in values:
            words += [f"--{key}", value]
    for name, addresses in build.extra_hosts.items():
        for address in addresses:
            words += ["--add-host", f"{name}:{address}"]
    for name, limit in build.ulimits.items():
        soft, hard = limit.single or limit.soft, limit.single or limit.hard
        words += ["--ulimit", f"{name}={soft}:{hard}"]
    for agent in build.ssh:
        words += ["--ssh", f"{agent.id}={agent.path}" if agent.path else agent.id]
    return words


def _secrets(project: Project, build: Build) -> list[str]:
    words = []
    for reference in build.secrets:
        secret = project.secrets[reference.source]
        identity = reference.target or reference.source
        source = f"src={secret.file}" if secret.file else f"env={secret.environment}"
        words += ["--secret", f"id={identity},{source}"]
    return words


def _arguments(context: ComposeContext, build: Build) -> list[str]:
    words = []
    for name, value in build.args.items():
        given = context.environment.get(name) if value is None else value
        if given is not None:
            words += ["--build-arg", f"{name}={given}"]
    return words
