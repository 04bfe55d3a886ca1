"""`version`: client and engine."""

from __future__ import annotations

from sampan.cli.command import Command, Exit
from sampan.cli.flags import Flag
from sampan.cli.output import unescape
from sampan.client.api import API_VERSION
from sampan.errors import SampanError
from sampan.lib.jsontext import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

TEMPLATE_STATUS = 64
LABEL_WIDTH = 18


def _version_key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def _client(context: Context, server: dict[str, Any] | None) -> dict[str, Any]:
    import os
    import platform

    from sampan.cli.main import VERSION
    from sampan.lib import provenance

    used = context.client.version or API_VERSION
    if server and server.get("ApiVersion"):
        used = min(used, server["ApiVersion"], key=_version_key)
    machine = os.uname().machine
    return {
        "Version": VERSION,
        "ApiVersion": used,
        "DefaultAPIVersion": API_VERSION,
        "PythonVersion": platform.python_version(),
        "GitCommit": provenance.commit(),
        "BuildTime": _built(provenance.built()),
        "Os": "linux",
        "Arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine),
        "Context": "default",
    }


def _built(moment: str) -> str:
    """As Docker shows it: Wed Nov 22 08:27:20 2026; what isn't a time stays as it is."""
    from datetime import UTC, datetime

    from sampan.lib import gotime

    try:
        seconds = gotime.parse_ns(moment) // gotime.NANOS
    except ValueError:
        return moment
    return f"{datetime.fromtimestamp(seconds, UTC):%a %b %e %H:%M:%S %Y}" if seconds else moment


def _line(label: str, value: object, indent: int) -> str:
    return " " * indent + f"{label}:".ljust(LABEL_WIDTH + 1 - indent + 1) + f"{value}\n"


def _client_text(client: dict[str, Any]) -> str:
    used, default = client["ApiVersion"], client["DefaultAPIVersion"]
    api = used if used == default else f"{used} (downgraded from {default})"
    return (
        "Client: Sampan\n"
        + _line("Version", client["Version"], 1)
        + _line("API version", api, 1)
        + _line("Python version", client["PythonVersion"], 1)
        + _line("Git commit", client["GitCommit"], 1)
        + _line("Built", client["BuildTime"], 1)
        + _line("OS/Arch", f"{client['Os']}/{client['Arch']}", 1)
        + _line("Context", client["Context"], 1)
    )


def _engine_text(name: str, version: str, details: dict[str, Any]) -> str:
    lines = [f" {name}:\n", _line("Version", version, 2)]
    if "ApiVersion" in details:
        least = details.get("MinAPIVersion", "")
        lines.append(_line("API version", f"{details['ApiVersion']} (minimum version {least})", 2))
    for label, key in (
        ("Go version", "GoVersion"),
        ("Python version", "PythonVersion"),
        ("Git commit", "GitCommit"),
        ("Built", "BuildTime"),
    ):
        if details.get(key) and not (key == "GitCommit" and "ApiVersion" not in details):
            value = _built(details[key]) if key == "BuildTime" else details[key]
            lines.append(_line(label, value, 2))
    if "Os" in details:
        lines.append(_line("OS/Arch", f"{details['Os']}/{details.get('Arch', '')}", 2))
    if "Experimental" in details:
        lines.append(_line("Experimental", details["Experimental"], 2))
    if "ApiVersion" not in details and details.get("GitCommit"):
        lines.append(_line("GitCommit", details["GitCommit"], 2))
    return "".join(lines)


def _server_text(server: dict[str, Any]) -> str:
    title = (server.get("Platform") or {}).get("Name") or ""
    text = f"\nServer: {title}".rstrip() + ("\n" if title else ":\n").replace("::", ":")
    components = server.get("Components") or [
        {"Name": "Engine", "Version": server.get("Version", ""), "Details": server}
    ]
    for component in components:
        text += _engine_text(
            component["Name"], component.get("Version", ""), component.get("Details") or {}
        )
    return text


def _templated(document: dict[str, Any], text: str) -> str:
    from sampan.cli.shapes import typed
    from sampan.lib.gotemplate.nodes import TemplateError
    from sampan.lib.gotemplate.template import Template

    try:
        template = Template(unescape(text), name="version")
    except TemplateError as error:
        raise Exit(TEMPLATE_STATUS, f"template parsing error: {error}") from error
    try:
        return template.render(typed(document))
    except TemplateError as error:
        raise Exit(1, f"\n{error}") from error


def run(context: Context, flags: Flags, _arguments: list[str]) -> int:
    server: dict[str, Any] | None = None
    failure = ""
    try:
        server = context.client.get("/version")
    except SampanError as error:
        failure = error.message
    client = _client(context, server)
    format_text = flags.text("format")
    if format_text == "json":
        context.out(encode({"Client": client, "Server": server}) + "\n")
    elif format_text:
        context.out(_templated({"Client": client, "Server": server}, format_text) + "\n")
    else:
        context.out(_client_text(client) + (_server_text(server) if server else ""))
    if failure:
        raise Exit(1, failure)
    return 0


VERSION = Command(
    run,
    "[OPTIONS]",
    flags=(Flag("format", "f", "string", "Format output: json, or a Go template"),),
)
