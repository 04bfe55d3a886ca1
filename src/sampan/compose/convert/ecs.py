"""A project -> one ECS task definition, as RegisterTaskDefinition takes it.

One task holds all containers, as one machine does with Compose: only within a task do conditions
of `depends_on` exist. The network mode is `bridge` (launch type EC2): there containers keep their
own ports and find those they depend on by name, through links; in `awsvpc`, Fargate's only mode,
all share one address and no names. Containers: ecs_container; volumes: ecs_volumes.
"""

import re

from sampan.compose.convert.ecs_container import HANDLED, OTHER, REASONS, container
from sampan.compose.convert.ecs_volumes import TaskVolumes
from sampan.compose.convert.report import Report, Source, filled
from sampan.compose.model import Project

Manifest = dict[str, object]
_NOT_FAMILY = re.compile(r"[^A-Za-z0-9_-]+")
_ARCHITECTURES = {"amd64": "X86_64", "x86_64": "X86_64", "arm64": "ARM64", "aarch64": "ARM64"}
_DEPLOY_REASONS = {
    "mode": "say it to the ECS service",
    "replicas": "say it to the ECS service: its desired count is for the whole task",
    "labels": "tag the ECS service",
    "update_config": "say it to the ECS service: minimum and maximum healthy percent",
    "rollback_config": "say it to the ECS service: its deployment circuit breaker",
    "endpoint_mode": "known to Swarm only",
}


def ecs(source: Source) -> tuple[Manifest, Report]:
    report = Report()
    project = source.project
    volumes = TaskVolumes(project, report)
    containers = []
    for service in project.services.values():
        if service.provider is not None:
            report.dropped(service.name, "provider", "a program of this machine provides it")
            continue
        extra = source.from_env_files.get(service.name, {})
        containers.append(container(project, service, extra, volumes, report))
        report.fields(service.name, "deploy", service.deploy, _DEPLOY_REASONS)
        if service.deploy and service.deploy.placement.__dict__ != _nowhere():
            report.dropped(service.name, "deploy.placement", "say it to the ECS service")
        if service.scale is not None and service.scale != 1 and service.deploy is None:
            report.dropped(service.name, "scale", _DEPLOY_REASONS["replicas"])
        report.rest(service, HANDLED, REASONS, OTHER)
    _networks(project, report)
    return filled(
        {
            "family": _NOT_FAMILY.sub("-", project.name)[:255],
            "networkMode": "bridge",
            "requiresCompatibilities": ["EC2"],
            "containerDefinitions": containers,
            "volumes": volumes.definitions,
            "runtimePlatform": _platform(project, report),
            **_namespaces(project, report),
        }
    ), report


def _nowhere() -> dict[str, object]:
    from sampan.compose.attributes import Placement

    return Placement().__dict__


def _networks(project: Project, report: Report) -> None:
    for key, network in project.networks.items():
        if key != "default" or network.driver_opts or network.ipam.config or network.internal:
            report.dropped("", f"networks.{key}", "all containers are on the machine's one bridge")


def _platform(project: Project, report: Report) -> dict[str, str]:
    wanted = {each.platform for each in project.services.values() if each.platform}
    if len(wanted) > 1:
        report.dropped("", "platform", f"one for all, not {', '.join(sorted(wanted))}")
        return {}
    for platform in wanted:
        system, _, architecture = platform.partition("/")
        name = _ARCHITECTURES.get(architecture.partition("/")[0])
        if system == "linux" and name:
            return {"cpuArchitecture": name, "operatingSystemFamily": "LINUX"}
        report.dropped("", "platform", f"no platform {platform}")
    return {}


def _namespaces(project: Project, report: Report) -> dict[str, str]:
    """`host`, or shared by the whole task; neither can be said of one container."""
    found = {}
    for key in ("ipc", "pid"):
        values = {getattr(each, key) or "private" for each in project.services.values()}
        if values == {"host"}:
            found[f"{key}Mode"] = "host"
            continue
        for service in project.services.values():
            if getattr(service, key) not in {"", "private"}:
                report.dropped(service.name, key, "can be said of the whole task only")
    return found
