"""`info`: what the engine says about itself."""

from __future__ import annotations

from sampan.cli.command import Command, Exit
from sampan.cli.flags import Flag
from sampan.cli.output import unescape
from sampan.lib.jsontext import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

    Info = dict[str, Any]

TEMPLATE_STATUS = 64
PLUGIN_KINDS = ("Volume", "Network", "Authorization", "Log")


def _plain(label: str, value: object, indent: int = 1) -> str:
    return " " * indent + f"{label}: {value}".rstrip() + "\n"


def _optional(info: Info, *fields: tuple[str, str]) -> str:
    return "".join(_plain(label, info[key]) for label, key in fields if info.get(key))


def _yes(value: object) -> str:
    return "true" if value else "false"


def _counts(info: Info) -> str:
    return (
        _plain("Containers", info.get("Containers", 0))
        + _plain("Running", info.get("ContainersRunning", 0), 2)
        + _plain("Paused", info.get("ContainersPaused", 0), 2)
        + _plain("Stopped", info.get("ContainersStopped", 0), 2)
        + _plain("Images", info.get("Images", 0))
    )


def _drivers(info: Info) -> str:
    text = _optional(info, ("Server Version", "ServerVersion"), ("Storage Driver", "Driver"))
    for pair in info.get("DriverStatus") or ():
        text += _plain(str(pair[0]), pair[1], 2)
    for pair in info.get("SystemStatus") or ():
        text += _plain(str(pair[0]), pair[1])
    text += _optional(
        info,
        ("Logging Driver", "LoggingDriver"),
        ("Cgroup Driver", "CgroupDriver"),
        ("Cgroup Version", "CgroupVersion"),
    )
    plugins = info.get("Plugins") or {}
    text += " Plugins:\n"
    for kind in PLUGIN_KINDS:
        if names := plugins.get(kind):
            text += _plain(kind, " ".join(names), 2)
    if info.get("CDISpecDirs"):
        text += " CDI spec directories:\n"
        text += "".join(f"  {folder}\n" for folder in info["CDISpecDirs"])
    return text


def _swarm(info: Info) -> str:
    swarm = info.get("Swarm") or {}
    state = swarm.get("LocalNodeState", "")
    text = _plain("Swarm", state)
    if state in {"", "inactive", "locked"}:
        return text
    text += _plain("NodeID", swarm.get("NodeID", ""), 2)
    if swarm.get("Error"):
        text += _plain("Error", swarm["Error"], 2)
    manager = bool(swarm.get("ControlAvailable"))
    text += _plain("Is Manager", _yes(manager), 2)
    if manager:
        text += _plain("ClusterID", (swarm.get("Cluster") or {}).get("ID", ""), 2)
        text += _plain("Managers", swarm.get("Managers", 0), 2)
        text += _plain("Nodes", swarm.get("Nodes", 0), 2)
        text += _cluster(swarm.get("Cluster") or {})
    text += _plain("Node Address", swarm.get("NodeAddr", ""), 2)
    managers = sorted(each.get("Addr", "") for each in swarm.get("RemoteManagers") or ())
    if managers:
        text += "  Manager Addresses:\n" + "".join(f"   {address}\n" for address in managers)
    return text


def _cluster(cluster: Info) -> str:
    from sampan.lib.units import human_duration

    spec = cluster.get("Spec") or {}
    orchestration, raft = spec.get("Orchestration") or {}, spec.get("Raft") or {}
    beat_ns = (spec.get("Dispatcher") or {}).get("HeartbeatPeriod", 0)
    authority = spec.get("CAConfig") or {}
    lines: list[tuple[str, object, int]] = [
        ("Default Address Pool", "  ".join(cluster.get("DefaultAddrPool") or ()), 2),
        ("SubnetSize", cluster.get("SubnetSize", 0), 2),
        ("Data Path Port", cluster.get("DataPathPort", 0), 2),
        ("Orchestration", "", 2),
        ("Task History Retention Limit", orchestration.get("TaskHistoryRetentionLimit", 0), 3),
        ("Raft", "", 2),
        ("Snapshot Interval", raft.get("SnapshotInterval", 0), 3),
        ("Number of Old Snapshots to Retain", raft.get("KeepOldSnapshots", 0), 3),
        ("Heartbeat Tick", raft.get("HeartbeatTick", 0), 3),
        ("Election Tick", raft.get("ElectionTick", 0), 3),
        ("Dispatcher", "", 2),
        ("Heartbeat Period", human_duration(beat_ns / 1e9), 3),
        ("CA Configuration", "", 2),
        ("Expiry Duration", human_duration(authority.get("NodeCertExpiry", 0) / 1e9), 3),
        ("Force Rotate", authority.get("ForceRotate", 0), 3),
        (
            "Autolock Managers",
            _yes((spec.get("EncryptionConfig") or {}).get("AutoLockManagers")),
            2,
        ),
        ("Root Rotation In Progress", _yes(cluster.get("RootRotationInProgress")), 2),
    ]
    return "".join(_plain(label, value, indent) for label, value, indent in lines)


def _runtimes(info: Info) -> str:
    text = ""
    if info.get("Runtimes"):
        text += _plain("Runtimes", " ".join(sorted(info["Runtimes"])))
        text += _plain("Default Runtime", info.get("DefaultRuntime", ""))
    text += _optional(info, ("Init Binary", "InitBinary"))
    for label, key in (
        ("containerd version", "ContainerdCommit"),
        ("runc version", "RuncCommit"),
        ("init version", "InitCommit"),
    ):
        if commit := (info.get(key) or {}).get("ID"):
            text += _plain(label, commit)
    return text


def _security(info: Info) -> str:
    options = info.get("SecurityOptions") or ()
    if not options:
        return ""
    text = " Security Options:\n"
    for option in options:
        pairs = [pair.partition("=") for pair in option.split(",")]
        names = [value for key, _, value in pairs if key == "name"]
        text += f"  {names[0] if names else option}\n"
        for key, _, value in pairs:
            if key == "profile":
                text += f"   Profile: {'default' if value == 'default' else value}\n"
            elif key != "name":
                text += f"   {key}: {value}\n"
    return text


def _machine(info: Info) -> str:
    from sampan.lib.units import binary_size

    text = _optional(
        info,
        ("Kernel Version", "KernelVersion"),
        ("Operating System", "OperatingSystem"),
        ("OSType", "OSType"),
        ("Architecture", "Architecture"),
    )
    text += _plain("CPUs", info.get("NCPU", 0))
    text += _plain("Total Memory", binary_size(info.get("MemTotal", 0)))
    text += _optional(info, ("Name", "Name"), ("ID", "ID"), ("Docker Root Dir", "DockerRootDir"))
    text += _plain("Debug Mode", _yes(info.get("Debug")))
    if info.get("Debug"):
        text += _plain("File Descriptors", info.get("NFd", 0), 2)
        text += _plain("Goroutines", info.get("NGoroutines", 0), 2)
        text += _plain("System Time", info.get("SystemTime", ""), 2)
        text += _plain("EventsListeners", info.get("NEventsListener", 0), 2)
    return text + _optional(
        info, ("HTTP Proxy", "HttpProxy"), ("HTTPS Proxy", "HttpsProxy"), ("No Proxy", "NoProxy")
    )


def _registries(info: Info) -> str:
    text = ""
    if info.get("Labels"):
        text += " Labels:\n" + "".join(f"  {label}\n" for label in info["Labels"])
    text += _plain("Experimental", _yes(info.get("ExperimentalBuild")))
    registry = info.get("RegistryConfig") or {}
    insecure = [
        name
        for name, entry in sorted((registry.get("IndexConfigs") or {}).items())
        if not entry.get("Secure", True)
    ]
    insecure += registry.get("InsecureRegistryCIDRs") or []
    if insecure:
        text += " Insecure Registries:\n" + "".join(f"  {name}\n" for name in insecure)
    if registry.get("Mirrors"):
        text += " Registry Mirrors:\n" + "".join(f"  {name}\n" for name in registry["Mirrors"])
    text += _plain("Live Restore Enabled", _yes(info.get("LiveRestoreEnabled")))
    if info.get("ProductLicense"):
        text += _plain("Product License", info["ProductLicense"])
    pools = info.get("DefaultAddressPools") or ()
    if pools:
        text += " Default Address Pools:\n"
        text += "".join(f"   Base: {pool['Base']}, Size: {pool['Size']}\n" for pool in pools)
    return text


def text_of(info: Info) -> str:
    """The whole server part."""
    return (
        _counts(info)
        + _drivers(info)
        + _swarm(info)
        + _runtimes(info)
        + _security(info)
        + _machine(info)
        + _registries(info)
    )


def _client(context: Context) -> dict[str, Any]:
    from sampan.cli.main import VERSION

    return {"Version": VERSION, "Context": "default", "Debug": context.debug, "Plugins": []}


def _templated(document: Info, text: str) -> str:
    from sampan.cli.shapes import typed
    from sampan.lib.gotemplate.nodes import TemplateError
    from sampan.lib.gotemplate.template import Template

    try:
        template = Template(unescape(text))
    except TemplateError as error:
        raise Exit(TEMPLATE_STATUS, f"template parsing error: {error}") from error
    try:
        return template.render(typed(document))
    except TemplateError as error:
        raise Exit(1, f"\n{error}") from error


def run(context: Context, flags: Flags, _arguments: list[str]) -> int:
    info = context.client.get("/info")
    client = _client(context)
    format_text = flags.text("format")
    if format_text == "json":
        context.out(encode({**info, "ClientInfo": client}) + "\n")
        return 0
    if format_text:
        context.out(_templated({**info, "ClientInfo": client}, format_text) + "\n")
        return 0
    context.out(
        "Client: Sampan\n"
        + _plain("Version", f"   {client['Version']}")
        + _plain("Context", "   default")
        + _plain("Debug Mode", _yes(context.debug))
        + "\nServer:\n"
        + text_of(info)
        + "\n"
    )
    for warning in info.get("Warnings") or ():
        context.err(warning + "\n")
    return 0


INFO = Command(
    run,
    "[OPTIONS]",
    flags=(Flag("format", "f", "string", "Format output: json, or a Go template"),),
)
