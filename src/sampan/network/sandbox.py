"""A container's network namespace and the interfaces in it: kernel work only, no bookkeeping.

Functions of the networking thread. The namespace is a mount (`linux.namespaces`), so everything
done here outlives the daemon. Dropping it takes the interfaces along in the background; deleting a
link instead would keep the thread waiting for tens of milliseconds.
"""

import errno
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_address
from pathlib import Path

from sampan.errors import Unsupported
from sampan.linux import namespaces, rtmessages, rtroutes
from sampan.linux.netlink import Netlink
from sampan.linux.nft import Nft
from sampan.linux.rtmessages import NetlinkError, Request
from sampan.linux.sysctl import ensure_sysctl
from sampan.network.files import EMBEDDED_DNS

LOOPBACK_INDEX = 1
_DNS_TABLE = "sampan_dns"

# flushing instead of replacing the table: for what is really deleted the kernel lets us wait
_DNS_RULES = """
add table ip {table}
add chain ip {table} output {{ type nat hook output priority -100; policy accept; }}
flush chain ip {table} output
add rule ip {table} output ip daddr {address} udp dport 53 dnat to {address}:{udp}
add rule ip {table} output ip daddr {address} tcp dport 53 dnat to {address}:{tcp}
"""


@dataclass(frozen=True, slots=True)
class BridgePort:
    """A pair of interfaces; the host's end `name` is a port of the bridge with index `bridge`."""

    name: str
    bridge: int
    isolated: bool = False


@dataclass(frozen=True, slots=True)
class ParentFace:
    """One more face of the interface with index `parent`; nothing stays on the host."""

    parent: int
    mode: str = "bridge"


@dataclass(frozen=True, slots=True)
class RoutedFace:
    """The same with the parent's own MAC: the kernel tells by addresses whose a packet is."""

    parent: int
    mode: str = "l2"
    flag: str = "bridge"


@dataclass(frozen=True, slots=True)
class Attachment:
    """One interface to be: `name` in the sandbox, and what it hangs on outside."""

    name: str
    uplink: BridgePort | ParentFace | RoutedFace
    mac: str
    addresses: Sequence[IPv4Interface | IPv6Interface]
    gateways: Sequence[str]  # default routes that go through it
    mtu: int = 0


@dataclass(frozen=True, slots=True)
class Face:
    """An interface in a sandbox; `far_index` is its other end, in the host's namespace."""

    name: str
    mac: str
    address: str  # with prefix length
    far_index: int


def create_sandbox(path: Path) -> None:
    """A namespace with loopback. IPv6 is off on interfaces to come unless they have addresses."""
    namespaces.create_netns(path, _prepare)


def _prepare() -> None:
    with Netlink() as netlink:
        netlink.execute(rtmessages.set_up(LOOPBACK_INDEX))
    ensure_sysctl("net/ipv6/conf/default/disable_ipv6", "1")
    # neighbours learn at once that an address has come (it may have been another's until now)
    ensure_sysctl("net/ipv4/conf/default/arp_notify", "1")


def attach(netlink: Netlink, path: Path, attachment: Attachment) -> None:
    """Make interface, addresses and routes; nothing is left if it fails."""
    netns = namespaces.open_netns(path)
    try:
        try:
            _create(netlink, attachment, netns)
            with namespaces.entered(netns):
                _configure(attachment)
        except BaseException:
            if isinstance(attachment.uplink, BridgePort):
                detach(netlink, attachment.uplink.name)
            else:
                detach_inside(path, attachment.name)
            raise
    finally:
        os.close(netns)


def _create(netlink: Netlink, attachment: Attachment, netns: int) -> None:
    try:
        netlink.execute(*_creation(attachment, netns))
    except NetlinkError as error:
        if isinstance(attachment.uplink, RoutedFace) and error.errno == errno.EOPNOTSUPP:
            raise Unsupported(
                "failed to create the ipvlan port: operation not supported",
                hint="the kernel module ipvlan is missing; macvlan puts containers on a LAN too",
            ) from error
        raise


def _creation(attachment: Attachment, netns: int) -> list[Request]:
    uplink = attachment.uplink
    if isinstance(uplink, ParentFace):
        face = rtmessages.Macvlan(
            name=attachment.name,
            parent=uplink.parent,
            netns=netns,
            mac=attachment.mac,
            mode=uplink.mode,
            mtu=attachment.mtu,
        )
        return [rtmessages.create_macvlan(face)]
    if isinstance(uplink, RoutedFace):
        routed = rtmessages.Ipvlan(
            name=attachment.name,
            parent=uplink.parent,
            netns=netns,
            mode=uplink.mode,
            flag=uplink.flag,
            mtu=attachment.mtu,
        )
        return [rtmessages.create_ipvlan(routed)]
    veth = rtmessages.Veth(
        name=uplink.name,
        master=uplink.bridge,
        peer=attachment.name,
        peer_netns=netns,
        peer_mac=attachment.mac,
        mtu=attachment.mtu,
    )
    port = rtmessages.bridge_port(uplink.name, hairpin=True, isolated=uplink.isolated)
    return [rtmessages.create_veth(veth), port]


def _configure(attachment: Attachment) -> None:
    if any(entry.version == 6 for entry in attachment.addresses):
        settings = f"net/ipv6/conf/{attachment.name}"
        ensure_sysctl(f"{settings}/accept_ra", "0")  # a neighbour must not become the router
        ensure_sysctl(f"{settings}/ndisc_notify", "1")
        ensure_sysctl(f"{settings}/disable_ipv6", "0")
    with Netlink() as inside:
        index = inside.get_link(attachment.name).index
        inside.execute(
            *(rtroutes.add_address(index, entry) for entry in attachment.addresses),
            rtmessages.set_up(index),
            *(
                rtroutes.replace_default_route(ip_address(gateway), index)
                for gateway in attachment.gateways
            ),
        )


def detach(netlink: Netlink, host_name: str) -> None:
    """Delete the pair; waits until the kernel has. Gone already is fine."""
    link = netlink.find_link(host_name)
    if link is not None:
        with suppress(NetlinkError):
            netlink.execute(rtmessages.delete_link(link.index))


def detach_inside(path: Path, name: str) -> None:
    """Delete an interface that has no end on the host; gone already (or the sandbox) is fine."""
    with (
        suppress(FileNotFoundError, NetlinkError),
        namespaces.entered_path(path),
        Netlink() as inside,
    ):
        link = inside.find_link(name)
        if link is not None:
            inside.execute(rtmessages.delete_link(link.index))


def find_face(path: Path, subnet: IPv4Network | IPv6Network) -> Face | None:
    """The interface that has an address of `subnet`."""
    with namespaces.entered_path(path), Netlink() as inside:
        for index, entry in inside.addresses():
            if entry.ip in subnet:
                link = next(one for one in inside.links() if one.index == index)
                return Face(link.name, link.mac, str(entry), link.far_index)
    return None


def set_gateways(path: Path, name: str, gateways: Sequence[str]) -> None:
    """Default routes through `name` instead of the present ones; none with no gateways."""
    with namespaces.entered_path(path), Netlink() as inside:
        for version in (4, 6):
            try:
                inside.execute(rtroutes.delete_default_route(version))
            except NetlinkError as error:
                if error.errno not in {errno.ESRCH, errno.EAFNOSUPPORT}:
                    raise
        if gateways:
            index = inside.get_link(name).index
            routes = [ip_address(gateway) for gateway in gateways]
            inside.execute(*(rtroutes.replace_default_route(way, index) for way in routes))


def open_socket(path: Path, family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
    """A non-blocking socket that lives in the sandbox."""
    with namespaces.entered_path(path):
        return socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)


def open_name_server(path: Path) -> tuple[socket.socket, socket.socket]:
    """(UDP, TCP) sockets that get what the sandbox sends to 127.0.0.11:53."""
    opened: list[socket.socket] = []
    try:
        with namespaces.entered_path(path):
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                flags = kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
                opened.append(socket.socket(socket.AF_INET, flags))
                opened[-1].bind((EMBEDDED_DNS, 0))
            udp, tcp = (channel.getsockname()[1] for channel in opened)
            with Nft() as nft:
                nft.run(_DNS_RULES.format(table=_DNS_TABLE, address=EMBEDDED_DNS, udp=udp, tcp=tcp))
    except BaseException:
        for channel in opened:
            channel.close()
        raise
    return opened[0], opened[1]
