"""A service -> a container definition of a task: words, variables, ports, health, dependencies.

What Linux is told (memory file systems, capabilities, devices, swap) is in ecs_linux.
"""

import re
from collections.abc import Mapping
from typing import Any

from sampan.compose.convert.ecs_linux import KEYS as LINUX_KEYS
from sampan.compose.convert.ecs_linux import linux_parameters
from sampan.compose.convert.ecs_volumes import TaskVolumes
from sampan.compose.convert.quantities import mebibytes, whole_seconds
from sampan.compose.convert.report import Report, filled
from sampan.compose.convert.wants import LIMIT_KEYS, health_test, limits, restart, runs_to_the_end
from sampan.compose.model import Project, Service
from sampan.compose.translate import image_name

HANDLED = (
    LIMIT_KEYS
    | LINUX_KEYS
    | frozenset(
        (
            *("build", "command", "configs", "cpu_shares", "depends_on", "deploy", "dns"),
            *("dns_search", "entrypoint", "environment", "expose", "extra_hosts", "healthcheck"),
            *("hostname", "image", "ipc", "labels", "links", "logging", "network_mode"),
            *("networks", "pid", "platform", "ports", "privileged", "read_only", "restart"),
            *("secrets", "security_opt", "stdin_open", "stop_grace_period", "sysctls", "tty"),
            *("ulimits", "user", "volumes", "volumes_from", "working_dir"),
        )
    )
)
REASONS = {
    "annotations": "labels only",
    "container_name": "links go by the name of the service",
    "credential_spec": "Windows only",
    "pre_start": "add a container that others await with SUCCESS",
    "post_start": "no hooks: put it into the entrypoint",
    "pre_stop": "no hooks: put it into the entrypoint",
    "pull_policy": "the machine's agent decides (ECS_IMAGE_PULL_BEHAVIOR)",
    "stop_signal": "set STOPSIGNAL in the image",
}
OTHER = "no equivalent in ECS"
RESERVED_MIB = 128  # when the file sets no limit: ECS demands one
LEAST_MIB = 6
LONGEST_STOP_S = 120
DRIVERS = {"json-file", "syslog", "journald", "gelf", "fluentd", "awslogs", "splunk", "awsfirelens"}
CONDITIONS = {"service_healthy": "HEALTHY", "service_completed_successfully": "SUCCESS"}
_RANGES = {"interval": (5, 300), "timeout": (2, 120), "retries": (1, 10), "startPeriod": (0, 300)}
_NOT_VARIABLE = re.compile(r"[^A-Z0-9_]+")
_NOT_NAME = re.compile(r"[^A-Za-z0-9_-]+")


def container_name(project: Project, service: str) -> str:
    """Services whose names differ only in what ECS doesn't take get numbers."""
    label = _NOT_NAME.sub("-", service)[:250]
    alike = [name for name in project.services if _NOT_NAME.sub("-", name)[:250] == label]
    number = alike.index(service) + 1 if service in alike else 1
    return label if number == 1 else f"{label}-{number}"


def container(
    project: Project,
    service: Service,
    from_env_files: Mapping[str, str],
    volumes: TaskVolumes,
    report: Report,
) -> dict[str, Any]:
    variables = {**from_env_files, **service.environment}
    return {"name": _name(project, service, report), "image": _image(project, service, report)} | (
        filled(
            {
                "essential": not runs_to_the_end(project, service),
                "entryPoint": list(service.entrypoint or ()),
                "command": list(service.command or ()),
                "workingDirectory": service.working_dir,
                "user": service.user,
                "environment": [
                    {"name": name, "value": text}
                    for name, text in variables.items()
                    if text is not None
                ],
                "secrets": _secrets(project, service, report),
                "portMappings": _ports(service, report),
                "links": _links(project, service, report),
                "dependsOn": _dependencies(project, service, report),
                "healthCheck": _health(service, report),
                "restartPolicy": _restart(project, service, report),
                "logConfiguration": _logging(service, report),
                "mountPoints": volumes.mount_points(service),
                "volumesFrom": _volumes_from(project, service, report),
                "linuxParameters": linux_parameters(service, report),
                **_resources(service, report),
                **_settings(service, report),
            }
        )
    )


def _name(project: Project, service: Service, report: Report) -> str:
    name = container_name(project, service.name)
    if name != service.name:
        report.changed(service.name, "name", f"the container is called {name}")
    return name


def _image(project: Project, service: Service, report: Report) -> str:
    image = image_name(project, service)
    if service.build is not None:
        report.changed(
            service.name, "build", f"nothing is built here: build and push the image {image}"
        )
    for key in ("entrypoint", "command"):
        if getattr(service, key) == () and not (key == "command" and service.entrypoint):
            report.dropped(service.name, key, "can't be cleared: the image's own is used")
    return image


def _secrets(project: Project, service: Service, report: Report) -> list[dict[str, str]]:
    for one in service.configs:
        report.dropped(service.name, f"configs.{one.source}", "no files: put it into the image")
    found = {}
    for one in service.secrets:
        part = project.secrets.get(one.source)
        origin = part.name if part and part.name else one.source
        variable = _NOT_VARIABLE.sub("_", one.source.upper())
        report.dropped(
            service.name,
            f"secrets.{one.source}",
            f"no file: the variable {variable} gets the parameter or secret {origin}, "
            "which must exist",
        )
        found[variable] = {"name": variable, "valueFrom": origin}
    return list(found.values())


def _ports(service: Service, report: Report) -> list[dict[str, Any]]:
    found: dict[tuple[int, str, int], dict[str, Any]] = {}
    for port in service.ports:
        key = f"ports.{port.target}"
        protocol = port.protocol or "tcp"
        if protocol not in {"tcp", "udp"}:
            report.dropped(service.name, key, f"no ports of {protocol}")
            continue
        if port.host_ip.startswith(("127.", "::1")):
            report.dropped(service.name, f"{key}.host_ip", "would be open to everybody: left out")
            continue
        if port.host_ip not in {"", "0.0.0.0", "::"}:
            report.dropped(service.name, f"{key}.host_ip", "ports are open on every address")
        if "-" in port.published:
            report.changed(service.name, f"{key}.published", f"the first of {port.published}")
        host = int(port.published.partition("-")[0] or 0)  # 0: any
        entry = {"containerPort": port.target, "hostPort": host, "protocol": protocol}
        found.setdefault((port.target, protocol, host), entry)
    return list(found.values())


def _needed(project: Project, service: Service) -> list[str]:
    return [name for name in service.depends_on if name in project.services]


def _links(project: Project, service: Service, report: Report) -> list[str]:
    """Links give the names of what a service depends on; ECS refuses circles."""
    if service.network_mode not in {"", "bridge", "default"}:
        report.dropped(service.name, "network_mode", "can be said of the whole task only")
    for key, attachment in service.networks.items():
        if attachment is not None and attachment.__dict__ != type(attachment)().__dict__:
            report.dropped(service.name, f"networks.{key}", "no settings of a network's end")
    found = [container_name(project, name) for name in _needed(project, service)]
    for link in service.links:
        name, _, alias = link.partition(":")
        if name in project.services and alias:
            found.append(f"{container_name(project, name)}:{alias}")
    if service.networks and len(project.services) > 1:
        report.changed(
            service.name, "networks", "finds by name only what it depends on (links of the bridge)"
        )
    return list(dict.fromkeys(found))


def _dependencies(project: Project, service: Service, report: Report) -> list[dict[str, str]]:
    found = []
    for name in _needed(project, service):
        how = service.depends_on[name]
        condition = CONDITIONS.get(how.condition, "START")
        if condition == "HEALTHY" and health_test(project.services[name], Report()) is None:
            report.dropped(
                service.name, f"depends_on.{name}", "its health check isn't in the file: START"
            )
            condition = "START"
        if how.restart:
            report.dropped(service.name, f"depends_on.{name}.restart", "restarts don't spread")
        found.append({"containerName": container_name(project, name), "condition": condition})
    return found


def _health(service: Service, report: Report) -> dict[str, Any]:
    check = health_test(service, report)
    if check is None:
        return {}
    if check.start_interval:
        report.dropped(service.name, "healthcheck.start_interval", "always the same interval")
    found: dict[str, Any] = {"command": list(check.test)}
    wanted = {
        "interval": whole_seconds(check.interval) if check.interval else None,
        "timeout": whole_seconds(check.timeout) if check.timeout else None,
        "retries": check.retries,
        "startPeriod": whole_seconds(check.start_period) if check.start_period else None,
    }
    for name, value in wanted.items():
        if value is None:
            continue
        least, most = _RANGES[name]
        found[name] = min(max(value, least), most)
        if found[name] != value:
            report.changed(
                service.name, "healthcheck", f"{name} {value} becomes {found[name]}: ECS's bound"
            )
    return found


def _restart(project: Project, service: Service, report: Report) -> dict[str, Any]:
    policy = restart(service)
    if not policy.stated or runs_to_the_end(project, service):
        return {}
    if policy.attempts is not None:
        report.dropped(service.name, "restart", "attempts aren't counted")
    if policy.condition == "no":
        return {"enabled": False}
    ignored = {"ignoredExitCodes": [0]} if policy.condition == "on-failure" else {}
    return {"enabled": True, **ignored}


def _logging(service: Service, report: Report) -> dict[str, Any]:
    if service.logging is None:
        return {}
    driver = service.logging.driver or "json-file"
    if driver not in DRIVERS:
        report.dropped(service.name, "logging", f"no driver {driver}")
        return {}
    return filled({"logDriver": driver, "options": dict(service.logging.options)})


def _volumes_from(project: Project, service: Service, report: Report) -> list[dict[str, Any]]:
    found = []
    for text in service.volumes_from:
        name, _, mode = text.partition(":")
        if name == "container":
            report.dropped(service.name, "volumes_from", "no containers besides the task's")
        else:
            found.append(
                {"sourceContainer": container_name(project, name), "readOnly": mode == "ro"}
            )
    return found


def _resources(service: Service, report: Report) -> dict[str, Any]:
    wanted = limits(service, report)
    cpus = wanted.reserved_cpus or wanted.cpus
    if wanted.cpus:
        report.changed(service.name, "cpus", "a share of the machine, not a ceiling")
    found: dict[str, Any] = {"cpu": round(cpus * 1024) or service.cpu_shares or None}
    if wanted.memory_bytes:
        found["memory"] = max(LEAST_MIB, mebibytes(wanted.memory_bytes))
    if wanted.reserved_bytes:
        found["memoryReservation"] = max(LEAST_MIB, mebibytes(wanted.reserved_bytes))
    if not wanted.memory_bytes and not wanted.reserved_bytes:
        report.changed(
            service.name, "mem_reservation", f"ECS demands one: {RESERVED_MIB} MiB, without limit"
        )
        found["memoryReservation"] = RESERVED_MIB
    if wanted.gpus:
        found["resourceRequirements"] = [{"type": "GPU", "value": str(wanted.gpus)}]
    return found


def _settings(service: Service, report: Report) -> dict[str, Any]:
    stop = whole_seconds(service.stop_grace_period, 0) if service.stop_grace_period else None
    if stop is not None and stop > LONGEST_STOP_S:
        report.changed(service.name, "stop_grace_period", f"{LONGEST_STOP_S} s at most")
        stop = LONGEST_STOP_S
    hosts = []
    for name, addresses in service.extra_hosts.items():
        for address in addresses:
            if address == "host-gateway":
                report.dropped(service.name, f"extra_hosts.{name}", "no address of the machine")
            else:
                hosts.append({"hostname": name, "ipAddress": address})
    return {
        "hostname": service.hostname,
        "dnsServers": list(service.dns),
        "dnsSearchDomains": list(service.dns_search),
        "extraHosts": hosts,
        "dockerSecurityOptions": list(service.security_opt),
        "dockerLabels": dict(service.labels),
        "privileged": service.privileged or None,
        "readonlyRootFilesystem": service.read_only or None,
        "interactive": service.stdin_open or None,
        "pseudoTerminal": service.tty or None,
        "stopTimeout": stop,
        "systemControls": [
            {"namespace": name, "value": text} for name, text in service.sysctls.items()
        ],
        "ulimits": [
            {
                "name": name,
                "softLimit": each.single or each.soft,
                "hardLimit": each.single or each.hard,
            }
            for name, each in service.ulimits.items()
        ],
    }
