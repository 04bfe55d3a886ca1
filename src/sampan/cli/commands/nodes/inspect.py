"""`node inspect`."""

from __future__ import annotations

from sampan.cli.command import Command, Exit
from sampan.cli.commands.inspect import show
from sampan.cli.commands.nodes.verbs import path, resolved
from sampan.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags


def run(context: Context, flags: Flags, names: list[str]) -> int:
    client = context.client

    def get(name: str) -> Any:
        return client.get(path(resolved(client, name)))

    if not flags.on("pretty"):
        return show(context, flags.text("format"), get, names)
    if flags.text("format"):
        raise Exit(1, "--format is incompatible with human friendly format")
    context.out("".join(pretty(get(name)) for name in names))
    return 0


def pretty(node: dict[str, Any]) -> str:
    from sampan.cli.human import local_time, seconds_of

    spec, status, description = node["Spec"], node["Status"], node["Description"]
    text = f"ID:\t\t\t{node['ID']}\n"
    if spec.get("Name"):
        text += f"Name:\t\t\t{spec['Name']}\n"
    if labels := spec.get("Labels"):
        text += "Labels:\n" + "".join(
            f" - {key}={value}\n" for key, value in sorted(labels.items())
        )
    text += (
        f"Hostname:              \t{description.get('Hostname', '')}\n"
        f"Joined at:             \t{local_time(seconds_of(node['CreatedAt']))}\n"
        "Status:\n"
        f" State:\t\t\t{status.get('State', '').capitalize()}\n"
    )
    if status.get("Message"):
        text += f" Message:\t\t{status['Message']}\n"
    text += f" Availability:         \t{spec.get('Availability', '').capitalize()}\n"
    if status.get("Addr"):
        text += f" Address:\t\t{status['Addr']}\n"
    if manager := node.get("ManagerStatus"):
        text += (
            "Manager Status:\n"
            f" Address:\t\t{manager.get('Addr', '')}\n"
            f" Raft Status:\t\t{str(manager.get('Reachability', '')).capitalize()}\n"
            f" Leader:\t\t{'Yes' if manager.get('Leader') else 'No'}\n"
        )
    return text + _machine(description)


def _machine(description: dict[str, Any]) -> str:
    from sampan.lib.units import binary_size

    platform, resources = description.get("Platform") or {}, description.get("Resources") or {}
    engine = description.get("Engine") or {}
    text = (
        "Platform:\n"
        f" Operating System:\t{platform.get('OS', '')}\n"
        f" Architecture:\t\t{platform.get('Architecture', '')}\n"
        "Resources:\n"
        f" CPUs:\t\t\t{resources.get('NanoCPUs', 0) // 10**9}\n"
        f" Memory:\t\t{binary_size(resources.get('MemoryBytes', 0))}\n"
    )
    kinds: dict[str, list[str]] = {}
    for plugin in engine.get("Plugins") or ():
        kinds.setdefault(plugin.get("Type", ""), []).append(plugin.get("Name", ""))
    if kinds:
        text += "Plugins:\n"
        text += "".join(f" {kind}:\t\t{', '.join(names)}\n" for kind, names in kinds.items())
    text += f"Engine Version:\t\t{engine.get('EngineVersion', '')}\n"
    if labels := engine.get("Labels"):
        text += "Engine Labels:\n"
        text += "".join(f" - {key}={value}\n" for key, value in sorted(labels.items()))
    tls = description.get("TLSInfo") or {}
    if tls:
        text += (
            f"TLS Info:\n TrustRoot:\n{tls.get('TrustRoot', '')}\n"
            f" Issuer Subject:\t{tls.get('CertIssuerSubject', '')}\n"
            f" Issuer Public Key:\t{tls.get('CertIssuerPublicKey', '')}\n"
        )
    return text


INSPECT = Command(
    run,
    "[OPTIONS] self|NODE [NODE...]",
    flags=(
        Flag("format", "f", "string", "Format output: json, or a Go template"),
        Flag("pretty", "", "bool", "Print the information in a human friendly format"),
    ),
    least=1,
    most=None,
)
