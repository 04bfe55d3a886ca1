"""`port`: where a service's port is published."""

from __future__ import annotations

from sampan.cli.command import Exit
from sampan.cli.commands.compose.selecting import one_container
from sampan.cli.commands.compose.verb import Verb
from sampan.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.cli.flags import Flags


def run(context: ComposeContext, flags: Flags, words: list[str]) -> int:
    service, text = words
    if not text.isdecimal() or int(text) > 65535:
        raise Exit(1, f'strconv.ParseUint: parsing "{text}": invalid syntax')
    protocol = flags.text("protocol").lower()
    container = one_container(context, service, flags.number("index"))
    ports = context.api.inspect_container(container.id)["NetworkSettings"]["Ports"] or {}
    bindings = ports.get(f"{text}/{protocol}")
    if not bindings:
        known = ", ".join(sorted(key for key, value in ports.items() if value)) or "<none>"
        raise Exit(1, f"no port {text}/{protocol} for container {container.name}: {known}")
    binding = bindings[0]
    host = binding["HostIp"]
    context.say(
        f"[{host}]:{binding['HostPort']}" if ":" in host else f"{host}:{binding['HostPort']}"
    )
    return 0


PORT = Verb(
    run,
    "[OPTIONS] SERVICE PRIVATE_PORT",
    "Print the public port for a port binding",
    flags=(
        Flag("index", "", "int", "Index of the container if service has multiple replicas"),
        Flag("protocol", "", "string", "tcp or udp", default="tcp"),
    ),
    least=2,
    most=2,
)
