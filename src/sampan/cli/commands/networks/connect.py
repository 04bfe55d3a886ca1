"""`network connect` and `network disconnect`."""

from __future__ import annotations

from sampan.cli.command import Command
from sampan.cli.commands.networks.listing import path
from sampan.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags


def connect(context: Context, flags: Flags, words: list[str]) -> int:
    network, container = words
    ipam = {
        "IPv4Address": flags.text("ip"),
        "IPv6Address": flags.text("ip6"),
        "LinkLocalIPs": flags.items("link-local-ip"),
    }
    endpoint = {
        "IPAMConfig": {name: value for name, value in ipam.items() if value},
        "Links": flags.items("link"),
        "Aliases": flags.items("alias"),
        "DriverOpts": flags.mapping("driver-opt"),
        "GwPriority": flags.number("gw-priority"),
    }
    context.client.post(
        path(network, "/connect"), body={"Container": container, "EndpointConfig": endpoint}
    )
    return 0


def disconnect(context: Context, flags: Flags, words: list[str]) -> int:
    network, container = words
    context.client.post(
        path(network, "/disconnect"), body={"Container": container, "Force": flags.on("force")}
    )
    return 0


CONNECT = Command(
    connect,
    "[OPTIONS] NETWORK CONTAINER",
    flags=(
        Flag("alias", "", "strings", "Add network-scoped alias for the container"),
        Flag("driver-opt", "", "strings", "Options for the network's driver"),
        Flag("gw-priority", "", "int", "The highest priority provides the default gateway"),
        Flag("ip", "", "string", 'IPv4 address (e.g., "172.30.100.104")'),
        Flag("ip6", "", "string", 'IPv6 address (e.g., "2001:db8::33")'),
        Flag("link", "", "list", "Add link to another container"),
        Flag("link-local-ip", "", "strings", "Add a link-local address for the container"),
    ),
    least=2,
    most=2,
)
DISCONNECT = Command(
    disconnect,
    "[OPTIONS] NETWORK CONTAINER",
    flags=(Flag("force", "f", "bool", "Disconnect even a stopped or broken container"),),
    least=2,
    most=2,
)
