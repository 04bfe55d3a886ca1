"""A project's services as containers of a swarm's tasks (ContainerSpec). Pure; see stack_spec."""

from collections.abc import Callable, Mapping
from typing import Any

from sampan.compose.attributes import Healthcheck, VolumeMount
from sampan.compose.model import Project, Service
from sampan.compose.translate import environment
from sampan.errors import InvalidArgument

Json = dict[str, Any]

NAMESPACE = "com.docker.stack.namespace"
FILE_MODE = 0o444


def scoped(project: Project, name: str) -> str:
    return f"{project.name}_{name}"


def stack_labels(project: Project, labels: Mapping[str, str]) -> dict[str, str]:
    return {**labels, NAMESPACE: project.name}


def pruned(value: Json) -> Json:
    """Without what wasn't asked for, one level into the task as well."""
    found = {key: part for key, part in value.items() if part is not None and part != []}
    if "TaskTemplate" in found:
        found["TaskTemplate"] = pruned(found["TaskTemplate"])
    return found


def container_spec(project: Project, service: Service, files: Callable[[str, str], str]) -> Json:
    found: Json = {
        "Image": service.image,
        "Command": list(service.entrypoint) if service.entrypoint is not None else None,
        "Args": list(service.command) if service.command is not None else None,
        "Hostname": service.hostname or None,
        "Labels": stack_labels(project, service.labels),
        "Hosts": [
            f"{address} {host}"
            for host, addresses in sorted(service.extra_hosts.items())
            for address in addresses
        ],
        "DNSConfig": _dns(service),
        "Healthcheck": _health(service.healthcheck),
        "Env": sorted(environment(service.environment)),
        "Dir": service.working_dir or None,
        "User": service.user or None,
        "Groups": list(service.group_add),
        "Mounts": [_mount(project, each) for each in service.volumes]
        + [{"Type": "tmpfs", "Target": each.partition(":")[0]} for each in service.tmpfs],
        "StopGracePeriod": service.stop_grace_period,
        "StopSignal": service.stop_signal or None,
        "TTY": service.tty or None,
        "OpenStdin": service.stdin_open or None,
        "ReadOnly": service.read_only or None,
        "Init": service.init,
        "Isolation": service.isolation or None,
        "Sysctls": dict(service.sysctls) or None,
        "CapabilityAdd": sorted(service.cap_add),
        "CapabilityDrop": sorted(service.cap_drop),
        "Ulimits": [
            {"Name": name, "Soft": limit.single or limit.soft, "Hard": limit.single or limit.hard}
            for name, limit in sorted(service.ulimits.items())
        ],
        "OomScoreAdj": service.oom_score_adj or None,
        "Privileged": service.privileged or None,
        "Devices": [
            f"{each.source}:{each.target or each.source}:{each.permissions or 'rwm'}"
            for each in service.devices
        ],
        "Privileges": _privileges(service),
        "Secrets": _files(project, service, "secret", files),
        "Configs": _files(project, service, "config", files),
    }
    return pruned(found)


def _dns(service: Service) -> Json | None:
    found = {
        "Nameservers": list(service.dns),
        "Search": list(service.dns_search),
        "Options": list(service.dns_opt),
    }
    return {key: value for key, value in found.items() if value} or None


def _health(check: Healthcheck | None) -> Json | None:
    if check is None:
        return None
    if check.disable:
        return {"Test": ["NONE"]}
    found: Json = {
        "Test": list(check.test),
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "StartInterval": check.start_interval,
        "Retries": check.retries,
    }
    return {key: value for key, value in found.items() if value}


def _privileges(service: Service) -> Json | None:
    found: Json = {}
    for option in service.security_opt:
        key, _, value = option.replace("=", ":", 1).partition(":")
        if key == "no-new-privileges":
            found["NoNewPrivileges"] = value != "false"
        elif key == "seccomp" and value == "unconfined":
            found["Seccomp"] = {"Mode": "unconfined"}
        elif key == "apparmor" and value == "unconfined":
            found["AppArmor"] = {"Mode": "disabled"}
        else:
            raise InvalidArgument(
                f"services.{service.name}.security_opt: {option} isn't supported by services of a "
                "swarm"
            )
    return found or None


def _mount(project: Project, volume: VolumeMount) -> Json:
    found: Json = {"Type": volume.type, "Target": volume.target}
    if volume.read_only:
        found["ReadOnly"] = True
    if volume.source:
        found["Source"] = volume.source
    if volume.type == "volume" and volume.source:
        _add_volume(project, volume, found)
    if volume.bind is not None and volume.bind.propagation:
        found["BindOptions"] = {"Propagation": volume.bind.propagation}
    if volume.tmpfs is not None and volume.tmpfs.size:
        found["TmpfsOptions"] = {"SizeBytes": int(volume.tmpfs.size)}
    return found


def _add_volume(project: Project, volume: VolumeMount, found: Json) -> None:
    known = project.volumes.get(volume.source)
    if known is None:
        return
    found["Source"] = known.name or scoped(project, volume.source)
    options: Json = {}
    if volume.volume is not None and volume.volume.nocopy:
        options["NoCopy"] = True
    if volume.volume is not None and volume.volume.subpath:
        options["Subpath"] = volume.volume.subpath
    if not known.external:
        options["Labels"] = stack_labels(project, known.labels)
        if known.driver or known.driver_opts:
            options["DriverConfig"] = {"Name": known.driver, "Options": dict(known.driver_opts)}
    if options:
        found["VolumeOptions"] = options


def _files(
    project: Project, service: Service, kind: str, files: Callable[[str, str], str]
) -> list[Json]:
    references = service.secrets if kind == "secret" else service.configs
    known = project.secrets if kind == "secret" else project.configs
    found = []
    for each in references:
        name = known[each.source].name or scoped(project, each.source)
        default = each.source if kind == "secret" else f"/{each.source}"
        target = {
            "Name": each.target or default,
            "UID": each.uid or "0",
            "GID": each.gid or "0",
            "Mode": FILE_MODE if each.mode is None else int(each.mode),
        }
        word = kind.capitalize()
        found.append({"File": target, f"{word}ID": files(kind, name), f"{word}Name": name})
    return sorted(found, key=lambda each: str(each["File"]["Name"]))
