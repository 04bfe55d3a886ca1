"""`build --print`: the builds as the file that `docker buildx bake` reads."""

from __future__ import annotations

from sampan.cli.commands.compose.building import SERVICE_CONTEXT, build_labels, in_build_order
from sampan.compose.encode import to_json
from sampan.compose.translate import image_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.compose.attributes import Build
    from sampan.compose.model import Project, Service


def bake_file(
    context: ComposeContext,
    project: Project,
    services: Sequence[Service],
    more: Mapping[str, Any],
) -> str:
    """`more` are keys for every target: what the command line asks for."""
    built = in_build_order(project, services)
    asked = [service.name for service in services]
    targets = {}
    for service in sorted(built, key=lambda each: each.name):
        assert service.build is not None
        target = _target(context, project, service, service.build)
        arguments = {**target["args"], **more.get("args", {})}
        target |= {**more, "args": arguments}
        targets[service.name] = {key: value for key, value in target.items() if value}
    file = {"group": {"default": {"targets": sorted(asked)}}, "target": targets}
    return to_json(file) + "\n"


def _target(
    context: ComposeContext, project: Project, service: Service, build: Build
) -> dict[str, Any]:
    """In the order in which Docker Compose writes it; without what is empty."""
    arguments = {
        name: context.environment.get(name) if value is None else value
        for name, value in build.args.items()
    }
    inline = build.dockerfile_inline
    return {
        "context": build.context,
        "contexts": _contexts(project, build),
        "dockerfile": "" if inline else f"{build.context}/{build.dockerfile or 'Dockerfile'}",
        "dockerfile-inline": inline,
        "args": {name: value for name, value in sorted(arguments.items()) if value is not None},
        "labels": dict(sorted(build_labels(project, service, build).items())),
        "tags": [*build.tags, image_name(project, service)],
        "cache-from": list(build.cache_from),
        "cache-to": list(build.cache_to),
        "target": build.target,
        "secret": _secrets(project, build),
        "ssh": [f"{agent.id}={agent.path}" for agent in build.ssh],
        "platforms": list(build.platforms),
        "pull": build.pull,
        "no-cache": build.no_cache,
        "network": build.network,
        "output": ["type=docker"],
    }


def _contexts(project: Project, build: Build) -> dict[str, str]:
    found = {}
    for name, source in sorted(build.additional_contexts.items()):
        other = source.removeprefix(SERVICE_CONTEXT)
        known = source.startswith(SERVICE_CONTEXT) and other in project.all_services()
        found[name] = f"target:{other}" if known else source
    return found


def _secrets(project: Project, build: Build) -> list[str]:
    words = []
    for reference in build.secrets:
        secret = project.secrets[reference.source]
        kind, where = ("file", f"src={secret.file}")
        if not secret.file:
            kind, where = ("env", f"env={secret.environment}")
        words.append(f"id={reference.target or reference.source},type={kind},{where}")
    return words
