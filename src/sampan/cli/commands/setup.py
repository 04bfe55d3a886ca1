"""`setup`: what this machine has and lacks for an engine, a hub and a swarm.

    sampan setup                 look, try, tell; exit status 0 if an engine would run
    sampan setup --install       and install the packages that are missing (asks first)
    sampan setup --service       write the service's files, make the group, offer to enable it

Every line that isn't ok says what it is needed for and how to get it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sampan.cli.command import Command, Exit
from sampan.cli.flags import Flag
from sampan.cli.output import Listing
from sampan.cli.prompt import confirmed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags
    from sampan.lib.needs import Need
    from sampan.setup.findings import Finding, Status
    from sampan.setup.service import Init

DATA_ROOT = "/var/lib/sampan"  # the daemon's defaults
BRIDGE = "sampan0"
COLUMNS: dict[str, Any] = {
    "Status": ("STATUS", lambda each: str(each.status)),
    "Name": ("NAME", lambda each: each.name),
    "For": ("FOR", lambda each: each.area),
    "Found": ("FOUND", lambda each: each.found),
    "Why": ("WHY", lambda each: each.why),
    "Remedy": ("REMEDY", lambda each: each.remedy),
}
FIELDS = ("Status", "Name", "For", "Found", "Why")


def run(context: Context, flags: Flags, _arguments: list[str]) -> int:
    from sampan.setup.findings import would_run

    if flags.on("service"):
        return _service(context, yes=flags.on("yes"))
    findings = _look(flags.text("data-root"))
    if flags.on("install") and _install(context, flags, findings):
        findings = _look(flags.text("data-root"))
    chosen = flags.text("format")
    context.out(Listing("setup.finding", COLUMNS, FIELDS).text(findings, chosen))
    if chosen in {"", "table"}:
        context.out(_advice(findings))
    return 0 if would_run(findings) else 1


def _look(data_root: str) -> list[Finding]:
    from sampan.client.transport import DEFAULT_HOST
    from sampan.lib.needs import family
    from sampan.setup.inspection import Place, inspect

    return inspect(Place(Path(data_root), DEFAULT_HOST, BRIDGE), family())


def _advice(findings: Sequence[Finding]) -> str:
    """What the table means, and what to do."""
    from sampan.setup.findings import Status, would_run

    lines = ["", _verdict(findings)] if not would_run(findings) else ["", "An engine runs here."]
    for status in (Status.MISSING, Status.UNKNOWN, Status.OPTIONAL):
        lines += [
            f"  {each.name} ({status}): {each.remedy}"
            for each in findings
            if each.status is status and each.remedy and each.need is None
        ]
    for status in (Status.MISSING, Status.OPTIONAL):
        if command := _command(findings, status):
            lines += ["", f"What is {status}:", f"  {' '.join(command)}"]
    return "\n".join(lines) + "\n"


def _verdict(findings: Sequence[Finding]) -> str:
    from sampan.setup.findings import Status

    missing = [each.name for each in findings if each.status is Status.MISSING]
    if missing:
        return f"No engine runs here without: {', '.join(missing)}."
    unknown = [each.name for each in findings if each.status is Status.UNKNOWN]
    return f"Whether an engine runs here can't be told: {', '.join(unknown)}."


def _command(findings: Sequence[Finding], *statuses: Status) -> list[str]:
    from sampan.lib.needs import family, install_command
    from sampan.setup.findings import needs_of

    return install_command(needs_of(findings, *statuses), family())


def _install(context: Context, flags: Flags, findings: Sequence[Finding]) -> bool:
    """Whether something was installed."""
    from sampan.setup.findings import Status, needs_of

    statuses = [Status.MISSING, *([Status.OPTIONAL] if flags.on("all") else [])]
    command = _command(findings, *statuses)
    if not command:
        _explain_nothing(context, needs_of(findings, *statuses))
        return False
    _need_root("--install")
    if not flags.on("yes") and not confirmed(context, f"This will run: {' '.join(command)}"):
        return False
    _carry_out(command)
    return True


def _explain_nothing(context: Context, needs: Sequence[Need]) -> None:
    names = ", ".join(need.name for need in needs)
    context.err(
        f"No package of this distribution is known for: {names}\n"
        if names
        else "No package is missing.\n"
    )


def _need_root(flag: str) -> None:
    if os.geteuid():
        raise Exit(1, f"setup {flag} needs root privileges")


def _carry_out(command: list[str]) -> None:
    """With the user's terminal; packages' own services stay as their distribution has them."""
    import subprocess

    steps = [["apt-get", "update"], command] if command[0] == "apt-get" else [command]
    for step in steps:
        sys.stdout.flush()
        status = subprocess.run(step, check=False, stdout=sys.stderr).returncode
        if status:
            raise Exit(1, f"{' '.join(step)}: exit status {status}")


def _service(context: Context, *, yes: bool) -> int:
    from sampan.setup import service

    init, runs = service.detect()
    _need_root("--service")
    command = service.own_command(sys.argv[0], sys.executable)
    if service.ensure_group():
        context.say(f"made the group {service.GROUP}: its members may use the socket")
    for path in service.write(init, command):
        context.say(f"wrote {path}")
    if not runs:
        context.say(f"{init.name} doesn't run here. Where it does:{_enabling_text(init)}")
        return 0
    if init.after_writing:
        service.run(init.after_writing)
    if not yes and not confirmed(context, f"This will run:{_enabling_text(init)}"):
        context.say(f"To enable it later:{_enabling_text(init)}")
        return 0
    for step in init.enabling:
        service.run(step)
    context.say("the engine is enabled and runs")
    return 0


def _enabling_text(init: Init) -> str:
    return "".join(f"\n  {' '.join(step)}" for step in init.enabling)


SETUP = Command(
    run,
    "[OPTIONS]",
    description="Check what this machine needs to run an engine, a hub and a swarm.\n"
    "Exit status 0 if an engine would run",
    flags=(
        Flag("all", "a", "bool", "With --install: packages for optional features, too"),
        Flag("data-root", "", "string", "Where the engine would keep its state", default=DATA_ROOT),
        Flag(
            "format",
            "",
            "string",
            "Format output using a custom template:\n"
            "'table':            Print output in table format with column headers (default)\n"
            "'table TEMPLATE':   Print output in table format using the given Go template\n"
            "'json':             Print in JSON format\n"
            "'TEMPLATE':         Print output using the given Go template",
        ),
        Flag("install", "", "bool", "Install the packages that are missing"),
        Flag("service", "", "bool", "Make the engine a service of systemd or OpenRC"),
        Flag("yes", "y", "bool", "Don't ask before installing or enabling"),
    ),
)
