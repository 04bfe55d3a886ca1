"""A service -> the container of its pod: image, words, variables, probes, resources, hooks."""

from sampan.compose.attributes import Healthcheck
from sampan.compose.convert import kubernetes_security as security
from sampan.compose.convert.kubernetes_files import Files
from sampan.compose.convert.kubernetes_network import container_ports, host_ports, port_name
from sampan.compose.convert.kubernetes_scope import Manifest, Scope
from sampan.compose.convert.names import is_variable, literal
from sampan.compose.convert.quantities import cpu, memory, whole_seconds
from sampan.compose.convert.report import Report, filled
from sampan.compose.convert.wants import (
    INTERVAL_NS,
    RETRIES,
    START_INTERVAL_NS,
    TIMEOUT_NS,
    health_test,
    limits,
)
from sampan.compose.model import Service
from sampan.compose.translate import image_name

_PULL = {"always": "Always", "never": "Never", "missing": "IfNotPresent", "build": "IfNotPresent"}
_CLEARED = "can't be cleared: the image's own is used"
_REFRESHED = {"daily", "weekly", "refresh"}
_SECOND_NS = 1_000_000_000


def container(scope: Scope, files: Files, service: Service, mounts: list[Manifest]) -> Manifest:
    name = scope.services.of(service.name)
    for key in ("entrypoint", "command"):
        if getattr(service, key) == () and not (key == "command" and service.entrypoint):
            scope.report.dropped(service.name, key, _CLEARED)
    return {"name": name, "image": _image(scope, service)} | filled(
        {
            "imagePullPolicy": _pull_policy(scope.report, service),
            "command": _words(service.entrypoint),
            "args": _words(service.command),
            "workingDir": service.working_dir,
            "envFrom": files.variables(service, scope.source.from_env_files.get(service.name, {})),
            "env": _environment(scope, service),
            "ports": _ports(service),
            "resources": _resources(scope.report, service),
            "volumeMounts": mounts,
            **_probes(scope.report, service),
            "lifecycle": _lifecycle(scope.report, service),
            "securityContext": security.of_container(service, scope.report),
            "stdin": service.stdin_open or None,
            "tty": service.tty or None,
        }
    )


def init_containers(scope: Scope, service: Service, name: str) -> list[Manifest]:
    """`pre_start` runs before the service, each in a container of its own: as here."""
    found = []
    for index, hook in enumerate(service.pre_start, 1):
        if hook.user or hook.privileged:
            scope.report.dropped(service.name, "pre_start.user", "runs as the image says")
        known = {key: text for key, text in hook.environment.items() if text is not None}
        found.append(
            filled(
                {
                    "name": f"{name}-before-{index}",
                    "image": hook.image or image_name(scope.project, service),
                    "command": _words(hook.command),
                    "workingDir": hook.working_dir,
                    "env": [{"name": key, "value": literal(text)} for key, text in known.items()],
                }
            )
        )
    return found


def _words(words: tuple[str, ...] | None) -> list[str]:
    return [literal(word) for word in words or ()]


def _image(scope: Scope, service: Service) -> str:
    image = image_name(scope.project, service)
    if service.build is not None:
        scope.report.changed(
            service.name, "build", f"nothing is built here: build and push the image {image}"
        )
    return image


def _pull_policy(report: Report, service: Service) -> str:
    policy = service.pull_policy
    if policy in _REFRESHED or policy.startswith("every_") or service.pull_refresh_after:
        report.changed(service.name, "pull_policy", "images aren't refreshed by age: always pulled")
        return "Always"
    return _PULL.get(policy, "")


def _environment(scope: Scope, service: Service) -> list[Manifest]:
    found = []
    for name, text in service.environment.items():
        if text is None:
            continue  # not set where the file was loaded: the container doesn't have it either
        if is_variable(name):
            found.append({"name": name, "value": literal(text)})
        else:
            scope.report.dropped(service.name, f"environment.{name}", "no name of a variable")
    return found


def _ports(service: Service) -> list[Manifest]:
    found = []
    on_node = host_ports(service)
    for number, protocol in container_ports(service):
        port: Manifest = {
            "name": port_name(number, protocol),
            "containerPort": number,
            "protocol": protocol,
        }
        published = on_node.get((number, protocol))
        if published is not None:
            port["hostPort"] = int(published.published.partition("-")[0] or number)
            port |= {"hostIP": published.host_ip} if published.host_ip else {}
        elif service.network_mode == "host":
            port["hostPort"] = number  # the API demands it of pods in the node's network
        found.append(port)
    return found


def _resources(report: Report, service: Service) -> Manifest:
    wanted = limits(service, report)
    ceiling = {"cpu": cpu(wanted.cpus)} if wanted.cpus else {}
    ceiling |= {"memory": memory(wanted.memory_bytes)} if wanted.memory_bytes else {}
    ceiling |= {"nvidia.com/gpu": str(wanted.gpus)} if wanted.gpus else {}
    floor = {"cpu": cpu(wanted.reserved_cpus)} if wanted.reserved_cpus else {}
    floor |= {"memory": memory(wanted.reserved_bytes)} if wanted.reserved_bytes else {}
    return filled({"limits": ceiling, "requests": floor})


def _probes(report: Report, service: Service) -> Manifest:
    """Docker's one test answers two questions here: may it get traffic, must it be restarted.

    Failures in the start period don't count with Docker: a startup probe has that much patience.
    """
    check = health_test(service, report)
    if check is None:
        return {}
    every = check.interval or INTERVAL_NS
    timeout = check.timeout or TIMEOUT_NS
    if every % _SECOND_NS or timeout % _SECOND_NS:
        report.changed(service.name, "healthcheck", "times are whole seconds: rounded up")
    common = {"exec": {"command": _test(check)}, "timeoutSeconds": whole_seconds(timeout)}
    retries = max(1, check.retries if check.retries is not None else RETRIES)
    steady = {**common, "periodSeconds": whole_seconds(every), "failureThreshold": retries}
    found: Manifest = {"readinessProbe": steady, "livenessProbe": dict(steady)}
    if check.start_period:
        period = whole_seconds(check.start_interval or START_INTERVAL_NS)
        patience = -(-whole_seconds(check.start_period) // period)
        found["startupProbe"] = {
            **common,
            "periodSeconds": period,
            "failureThreshold": patience + retries,
        }
    elif check.start_interval:
        report.dropped(service.name, "healthcheck.start_interval", "there is no start period")
    return found


def _test(check: Healthcheck) -> list[str]:
    if check.test[0] == "CMD-SHELL":
        return ["/bin/sh", "-c", *_words(check.test[1:])]
    return _words(check.test[1:])


def _lifecycle(report: Report, service: Service) -> Manifest:
    found: Manifest = {}
    for key, field in (("post_start", "postStart"), ("pre_stop", "preStop")):
        hooks = getattr(service, key)
        for hook in hooks[:1]:
            if hook.command:
                found[field] = {"exec": {"command": list(hook.command)}}
            if hook.user or hook.privileged or hook.working_dir or hook.environment:
                report.dropped(
                    service.name, key, "the command runs as the container's own: no settings"
                )
        if len(hooks) > 1:
            report.dropped(service.name, key, "only the first hook: there is one of a kind")
    return found
