"""`network create`."""

from __future__ import annotations

from sampan.cli.command import Command, Exit
from sampan.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags


def _contains(subnet: str, address: str) -> bool:
    from ipaddress import ip_address, ip_interface, ip_network

    network = ip_network(subnet, strict=False)
    if "/" in address:
        inner = ip_interface(address).network
        return inner.version == network.version and network.overlaps(inner)
    return ip_address(address) in network


def pools(flags: Flags) -> list[dict[str, object]]:
    """Subnets with the gateways, ranges and auxiliary addresses that lie in them.

    Raises Exit when one lies in no subnet or two subnets overlap.
    """
    subnets = flags.items("subnet")
    found: dict[str, dict[str, object]] = {subnet: {"Subnet": subnet} for subnet in subnets}
    try:
        _place(found, flags.items("ip-range"), "IPRange", "range")
        _place(found, flags.items("gateway"), "Gateway", "gateway")
        for name, address in flags.mapping("aux-address").items():
            subnet = _subnet_of(found, address)
            if subnet is None:
                raise Exit(1, f"no matching subnet for aux-address {address}")
            auxiliary = found[subnet].setdefault("AuxiliaryAddresses", {})
            assert isinstance(auxiliary, dict)
            auxiliary[name] = address
    except ValueError as error:
        raise Exit(1, f"invalid address: {error}") from error
    return list(found.values())


def _subnet_of(found: dict[str, dict[str, object]], address: str) -> str | None:
    return next((subnet for subnet in found if _contains(subnet, address)), None)


def _place(found: dict[str, dict[str, object]], addresses: list[str], key: str, word: str) -> None:
    if addresses and not found:
        raise Exit(1, "every ip-range or gateway must have a corresponding subnet")
    for address in addresses:
        subnet = _subnet_of(found, address)
        if subnet is None:
            raise Exit(1, f"no matching subnet for {word} {address}")
        if key in found[subnet]:
            raise Exit(
                1,
                f"cannot configure multiple {word}s ({address}, {found[subnet][key]}) on the "
                f"same subnet ({subnet})",
            )
        found[subnet][key] = address


def run(context: Context, flags: Flags, names: list[str]) -> int:
    source = {"Network": flags.text("config-from")} if flags.given("config-from") else None
    body: dict[str, object] = {
        "Driver": flags.text("driver"),
        "Scope": flags.text("scope"),
        "IPAM": {
            "Driver": flags.text("ipam-driver"),
            "Options": flags.mapping("ipam-opt"),
            "Config": pools(flags),
        },
        "Internal": flags.on("internal"),
        "Attachable": flags.on("attachable"),
        "Ingress": flags.on("ingress"),
        "ConfigOnly": flags.on("config-only"),
        "ConfigFrom": source,
        "Options": flags.mapping("opt"),
        "Labels": flags.mapping("label"),
        "Name": names[0],
        # Engines before API 1.44 allow a second network of the same name unless asked to check.
        "CheckDuplicate": True,
    }
    for version in ("4", "6"):
        if flags.given(f"ipv{version}"):
            body[f"EnableIPv{version}"] = flags.on(f"ipv{version}")
    answer = context.client.post("/networks/create", body=body)
    context.out(f"{answer['Id']}\n")
    return 0


CREATE = Command(
    run,
    "[OPTIONS] NETWORK",
    flags=(
        Flag("attachable", "", "bool", "Enable manual container attachment"),
        Flag("aux-address", "", "map", "Addresses that the driver must not hand out"),
        Flag("config-from", "", "string", "The network from which to copy the configuration"),
        Flag("config-only", "", "bool", "Create a configuration only network"),
        Flag("driver", "d", "string", "Driver to manage the network", default="bridge"),
        Flag("gateway", "", "strings", "IPv4 or IPv6 gateway for the subnet"),
        Flag("ingress", "", "bool", "Create swarm routing-mesh network"),
        Flag("internal", "", "bool", "Restrict external access to the network"),
        Flag("ip-range", "", "strings", "Allocate container addresses from a sub-range"),
        Flag("ipam-driver", "", "string", "Driver of address management", default="default"),
        Flag("ipam-opt", "", "map", "Options of address management"),
        Flag("ipv4", "", "bool", "Enable or disable IPv4 address assignment", shown="true"),
        Flag("ipv6", "", "bool", "Enable or disable IPv6 address assignment"),
        Flag("label", "", "list", "Set metadata on a network"),
        Flag("opt", "o", "map", "Set driver specific options"),
        Flag("scope", "", "string", "Control the network's scope"),
        Flag("subnet", "", "strings", "Subnet in CIDR format that represents a network segment"),
    ),
    least=1,
    most=1,
)
