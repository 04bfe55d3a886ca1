"""`port`: where a container's ports are published."""

from __future__ import annotations

from sampan.cli.command import Command, Exit
from sampan.cli.commands.containers.lifecycle import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags


def _address(binding: dict[str, str]) -> str:
    host = binding.get("HostIp") or ""
    return f"[{host}]:{binding['HostPort']}" if ":" in host else f"{host}:{binding['HostPort']}"


def _order(port: str) -> tuple[int, str]:
    number, _, kind = port.partition("/")
    return int(number), kind


def run(context: Context, _flags: Flags, words: list[str]) -> int:
    inspected = context.client.get(path(words[0], "/json"))
    ports = inspected["NetworkSettings"].get("Ports") or {}
    if len(words) > 1:
        number, _, kind = words[1].partition("/")
        wanted = f"{number}/{kind or 'tcp'}"
        if not number.isdecimal():
            raise Exit(1, f"Error: invalid port ({words[1]})")
        if not ports.get(wanted):
            raise Exit(1, f"Error: No public port '{words[1]}' published for {words[0]}")
        for binding in ports[wanted]:
            context.out(_address(binding) + "\n")
        return 0
    for port in sorted(ports, key=_order):
        for binding in ports[port] or ():
            context.out(f"{port} -> {_address(binding)}\n")
    return 0


PORT = Command(run, "CONTAINER [PRIVATE_PORT[/PROTO]]", least=1, most=2)
