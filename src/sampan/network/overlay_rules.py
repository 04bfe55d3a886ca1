"""Rules in sandboxes that lead a service's address, or a port of the mesh, to backends. Pure text.

    table ip sampan_vip_<vni>      one per overlay network, in every sandbox that is in it
      services    ip daddr VIP : dnat to the next backend (numgen: exact turns)
      unserved    a VIP without backends refuses at once instead of keeping clients waiting

    table ip sampan_mesh           in the ingress sandbox
      ports       proto dport : dnat to the next backend's port
      leave       masqueraded as this node's address in the ingress network, or answers of tasks
                  on other nodes would go astray

A change flushes the chains and fills them again in one transaction: new connections go to the new
backends, established ones stay where they are (the connection table knows them). Each sandbox
begins its turns elsewhere (`start`): else the first connection of every client would go to the
same backend.
"""

from collections.abc import Iterable, Sequence

from sampan.network.overlay_model import MeshPort, OverlayService

MESH_TABLE = "sampan_mesh"

_VIP_FRAME = """
add table ip {table}
add chain ip {table} services
add chain ip {table} unserved {{ type filter hook output priority 0; policy accept; }}
add chain ip {table} output {{ type nat hook output priority -100; policy accept; }}
add chain ip {table} prerouting {{ type nat hook prerouting priority -100; policy accept; }}
flush chain ip {table} output
flush chain ip {table} prerouting
flush chain ip {table} services
flush chain ip {table} unserved
add rule ip {table} output jump services
add rule ip {table} prerouting jump services
"""

_MESH_FRAME = """
add table ip {table}
add chain ip {table} ports {{ type nat hook prerouting priority -100; policy accept; }}
add chain ip {table} leave {{ type nat hook postrouting priority 100; policy accept; }}
add chain ip {table} unserved {{ type filter hook input priority 0; policy accept; }}
flush chain ip {table} ports
flush chain ip {table} leave
flush chain ip {table} unserved
add rule ip {table} leave oifname "{interface}" masquerade
add rule ip {table} unserved iifname != "lo" meta l4proto tcp ct state new reject with tcp reset
"""


def vip_table(vni: int) -> str:
    return f"sampan_vip_{vni:x}"


def vip_text(vni: int, services: Iterable[OverlayService], start: int = 0) -> str:
    """Make the table of one network say exactly this."""
    table = vip_table(vni)
    lines = [_VIP_FRAME.format(table=table)]
    for service in services:
        if not service.vip:
            continue
        where = f"ip daddr {service.vip}"
        if service.backends:
            turn = _turn(service.backends, start)
            lines.append(f"add rule ip {table} services {where} dnat to {turn}\n")
        else:
            lines.append(
                f"add rule ip {table} unserved {where} meta l4proto tcp reject with tcp reset\n"
                f"add rule ip {table} unserved {where} reject with icmp type host-unreachable\n"
            )
    return "".join(lines)


def vip_removal(vni: int) -> str:
    """Correct whether the table is there or not."""
    table = vip_table(vni)
    return f"add table ip {table}\ndelete table ip {table}\n"


def mesh_text(interface: str, ports: Iterable[MeshPort], start: int = 0) -> str:
    """Make the mesh's table say exactly this; `interface` leads into the ingress network."""
    lines = [_MESH_FRAME.format(table=MESH_TABLE, interface=interface)]
    lines += (
        f"add rule ip {MESH_TABLE} ports {port.proto} dport {port.published}"
        f" dnat to {_turn(port.backends, start)} : {port.target}\n"
        for port in ports
        if port.backends
    )
    return "".join(lines)


def _turn(backends: Sequence[str], start: int) -> str:
    """An expression that is one backend after the other."""
    if len(backends) == 1:
        return backends[0]
    first = start % len(backends)
    turned = (*backends[first:], *backends[:first])
    entries = ", ".join(f"{number} : {address}" for number, address in enumerate(turned))
    return f"numgen inc mod {len(turned)} map {{ {entries} }}"
