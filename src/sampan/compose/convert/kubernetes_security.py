"""User, capabilities, profiles and namespaces of a service -> security contexts."""

from sampan.compose.convert.kubernetes_scope import Manifest
from sampan.compose.convert.report import Report, filled
from sampan.compose.model import Service

HANDLED = frozenset(
    (
        "user",
        "cap_add",
        "cap_drop",
        "privileged",
        "read_only",
        "security_opt",
        "group_add",
        "sysctls",
        "ipc",
        "pid",
        "userns_mode",
    )
)


def of_container(service: Service, report: Report) -> Manifest:
    found = _options(service, report) | _user(service, report)
    added = [each.removeprefix("CAP_") for each in service.cap_add]
    dropped = [each.removeprefix("CAP_") for each in service.cap_drop]
    capabilities = filled({"add": added, "drop": dropped})
    return found | filled(
        {
            "capabilities": capabilities,
            "privileged": service.privileged or None,
            "readOnlyRootFilesystem": service.read_only or None,
        }
    )


def _user(service: Service, report: Report) -> Manifest:
    user, _, group = service.user.partition(":")
    found: Manifest = {}
    for key, text in (("runAsUser", user), ("runAsGroup", group)):
        if text.isdecimal():
            found[key] = int(text)
        elif text:
            report.dropped(service.name, "user", f"only numbers, not the name {text!r}")
    return found


def _options(service: Service, report: Report) -> Manifest:
    found: Manifest = {}
    for text in service.security_opt:
        name, _, value = text.replace("=", ":", 1).partition(":")
        match name, value:
            case "no-new-privileges", ("" | "true"):
                # the API refuses false for a container that is privileged anyhow
                found |= {} if service.privileged else {"allowPrivilegeEscalation": False}
            case "no-new-privileges", "false":
                pass
            case "seccomp", "unconfined":
                found["seccompProfile"] = {"type": "Unconfined"}
            case "apparmor", "unconfined":
                found["appArmorProfile"] = {"type": "Unconfined"}
            case "apparmor", _:
                found["appArmorProfile"] = {"type": "Localhost", "localhostProfile": value}
            case "label", _ if value.partition(":")[0] in {"user", "role", "type", "level"}:
                part, _, label = value.partition(":")
                found.setdefault("seLinuxOptions", {})[part] = label
            case _:
                report.dropped(service.name, "security_opt", f"no equivalent of {text}")
    return found


def of_pod(service: Service, report: Report) -> Manifest:
    """The pod's namespaces and its security context."""
    groups = [int(each) for each in service.group_add if each.isdecimal()]
    for each in service.group_add:
        if not each.isdecimal():
            report.dropped(service.name, "group_add", f"only numbers, not the name {each!r}")
    sysctls = [{"name": name, "value": text} for name, text in sorted(service.sysctls.items())]
    if sysctls:
        report.changed(
            service.name, "sysctls", "the kubelet must allow those that it takes for unsafe"
        )
    found: Manifest = {}
    for key, field in (("ipc", "hostIPC"), ("pid", "hostPID")):
        value = getattr(service, key)
        if value == "host":
            found[field] = True
        elif value and not (key == "ipc" and value in {"private", "shareable"}):
            report.dropped(service.name, key, f"no namespace {value}: pods share none")
    if service.userns_mode and service.userns_mode != "host":
        report.dropped(service.name, "userns_mode", f"no user namespace {service.userns_mode}")
    context = filled({"supplementalGroups": groups, "sysctls": sysctls})
    return found | filled({"securityContext": context})
