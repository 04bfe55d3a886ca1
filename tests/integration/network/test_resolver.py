"""Name resolution at 127.0.0.11 inside sandboxes, against the running kernel."""

import asyncio
import socket
import struct
from dataclasses import replace

import anyio
import pytest

from sampan.network import dns, dns_server
from sampan.network.model import EndpointRequest, NetworkSpec, Pool

pytestmark = [pytest.mark.integration, pytest.mark.anyio]

A, B, C = "a" * 64, "b" * 64, "c" * 64
SERVER = ("127.0.0.11", 53)


def query(name, kind=dns.A, number=77):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    head = struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0)
    return head + labels + b"\0" + struct.pack(">HH", kind, 1)


def parse(answer):
    """(code, addresses) of an answer to an A query."""
    _, flags, _, count, _, _ = struct.unpack_from(">HHHHHH", answer)
    found = {socket.inet_ntoa(answer[len(answer) - 4 - 16 * n :][:4]) for n in range(count)}
    return flags & 15, found


async def ask(arena, container_id, name, kind=dns.A):
    client = arena.socket_in(arena.sandbox(container_id), socket.SOCK_DGRAM)
    client.sendto(query(name, kind), SERVER)
    return await anyio.to_thread.run_sync(client.recv, 4096)


async def ask_tcp(arena, container_id, name):
    client = arena.socket_in(arena.sandbox(container_id))

    def talk():
        client.connect(SERVER)
        packet = query(name)
        client.sendall(struct.pack(">H", len(packet)) + packet)
        (length,) = struct.unpack(">H", client.recv(2, socket.MSG_WAITALL))
        return client.recv(length, socket.MSG_WAITALL)

    return await anyio.to_thread.run_sync(talk)


async def member(arena, container_id, name, network, **request):
    await arena.service.create_sandbox(container_id)
    return await arena.service.join(container_id, name, EndpointRequest(network.id, **request))


@pytest.fixture
async def network(arena):
    return await arena.service.create(NetworkSpec("net"))


async def test_names_aliases_and_short_ids_resolve(arena, network):
    first = await member(arena, A, "web", network, aliases=("www", "shared"))
    second = await member(arena, B, "db", network, aliases=("shared",))
    for name in ("web", "WWW", "aaaaaaaaaaaa", "web.net"):
        assert parse(await ask(arena, B, name)) == (0, {first.ipv4})
    assert parse(await ask(arena, A, "shared")) == (0, {first.ipv4, second.ipv4})
    assert parse(await ask_tcp(arena, A, "db")) == (0, {second.ipv4})


async def test_aaaa_of_a_known_name_is_answered_empty(arena, network):
    await member(arena, A, "web", network)
    assert parse(await ask(arena, A, "web", dns.AAAA)) == (0, set())


async def test_reverse_names_carry_the_network(arena, network):
    endpoint = await member(arena, A, "web", network)
    name = ".".join(reversed(endpoint.ipv4.split("."))) + ".in-addr.arpa"
    assert b"\3web\3net\0" in await ask(arena, A, name, dns.PTR)


async def test_names_go_when_containers_leave_or_are_renamed(arena, network):
    upstream = DeadUpstream(arena)
    upstream.use()
    await member(arena, A, "web", network)
    await member(arena, B, "db", network)
    await arena.service.rename(B, "store")
    assert parse(await ask(arena, A, "store"))[1]
    assert parse(await ask(arena, A, "db")) == (dns.SERVFAIL, set())
    await arena.service.destroy_sandbox(B)
    assert parse(await ask(arena, A, "store")) == (dns.SERVFAIL, set())


async def test_other_networks_names_are_not_seen(arena, network):
    other = await arena.service.create(NetworkSpec("other", internal=True))
    await member(arena, A, "web", network)
    await member(arena, B, "db", other)
    assert parse(await ask(arena, B, "web")) == (dns.NXDOMAIN, set())


async def test_links_give_a_name_to_one_container_only(arena, network):
    internal = await arena.service.create(NetworkSpec("in", internal=True))
    endpoint = await member(arena, A, "web", internal)
    await member(arena, B, "db", internal, links=(("web", "alias"),))
    assert parse(await ask(arena, B, "alias")) == (0, {endpoint.ipv4})
    assert parse(await ask(arena, A, "alias")) == (dns.NXDOMAIN, set())


async def test_container_may_bind_port_53_itself(arena, network):
    await member(arena, A, "web", network)
    own = arena.socket_in(arena.sandbox(A), socket.SOCK_DGRAM)
    own.bind(("0.0.0.0", 53))
    arena.listen(arena.sandbox(A), 53)
    assert parse(await ask(arena, A, "web"))[0] == 0


class DeadUpstream:
    """The host's servers as the service sees them: here one that refuses."""

    def __init__(self, arena, *addresses):
        self._arena, self._addresses = arena, addresses or ("127.0.0.1",)

    def use(self):
        self._arena.service._resolvers._upstream.get = lambda: self._addresses


class Upstream(asyncio.DatagramProtocol):
    """A name server that answers 9.9.9.9 to everything, or with a failure's code."""

    code = 0

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        question = dns.parse_question(data)
        records = [] if self.code else [(dns.A, bytes([9, 9, 9, 9]))]
        self.transport.sendto(dns.reply(data, question, code=self.code, records=records), addr)


class Refusing(Upstream):
    code = dns.REFUSED


class Silent(Upstream):
    def datagram_received(self, data, addr):
        pass


async def test_unknown_names_are_asked_outside(arena, network):
    DeadUpstream(arena, "127.0.53.53").use()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Upstream, ("127.0.53.53", 53))
    await member(arena, A, "web", network)
    try:
        assert parse(await ask(arena, A, "example.com")) == (0, {"9.9.9.9"})
    finally:
        transport.close()


@pytest.mark.parametrize("first", [Refusing, Silent])
async def test_next_server_is_asked_when_one_gives_up(arena, network, monkeypatch, first):
    monkeypatch.setattr(dns_server, "TRY_S", 0.2)
    DeadUpstream(arena, "127.0.53.53", "127.0.53.54").use()
    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_datagram_endpoint(kind, (address, 53))
        for kind, address in ((first, "127.0.53.53"), (Upstream, "127.0.53.54"))
    ]
    await member(arena, A, "web", network)
    try:
        assert parse(await ask(arena, A, "example.com")) == (0, {"9.9.9.9"})
        servers[1][0].close()
        code = dns.REFUSED if first is Refusing else dns.SERVFAIL
        assert parse(await ask(arena, A, "example.com")) == (code, set())
    finally:
        for transport, _ in servers:
            transport.close()


async def test_host_is_found_at_the_address_that_it_has_in_the_network(arena):
    pools = (Pool("10.214.7.0/24"), Pool("fd00:214::/64"))
    network = await arena.service.create(NetworkSpec("six", enable_ipv6=True, pools=pools))
    endpoint = await member(arena, A, "web", network)
    assert parse(await ask(arena, A, "host.docker.internal")) == (0, {"10.214.7.1"})
    for name, address in (("host.docker.internal", "fd00:214::1"), ("web", endpoint.ipv6)):
        answer = await ask(arena, A, name, dns.AAAA)
        assert answer.endswith(socket.inet_pton(socket.AF_INET6, address))


async def test_explicit_servers_are_asked_from_the_sandbox(arena, network):
    server = await member(arena, B, "ns", network)
    listening = arena.socket_in(arena.sandbox(B), socket.SOCK_DGRAM)
    listening.bind((server.ipv4, 53))
    listening.setblocking(False)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Upstream, sock=listening)
    await arena.service.create_sandbox(A, dns=[server.ipv4])
    await arena.service.join(A, "web", EndpointRequest(network.id))
    try:
        assert parse(await ask(arena, A, "example.com")) == (0, {"9.9.9.9"})
    finally:
        transport.close()


async def test_resolution_is_back_after_a_restart_of_the_daemon(arena, network):
    first = await member(arena, A, "web", network)
    await arena.service.close()
    arena.service = arena.new_service()
    await arena.service.start()
    await arena.service.restore(A, [first], ())
    await arena.service.finish_restore()
    assert parse(await ask(arena, A, "web")) == (0, {first.ipv4})


async def test_big_answers_come_by_tcp(arena, network):
    endpoint = await member(arena, A, "web", network, aliases=("many",))
    for number in range(2, 60):
        twin = replace(endpoint, id=str(number), ipv4=f"10.9.0.{number}")
        arena.service._names.add(twin)
    answer = await ask(arena, A, "many")
    assert struct.unpack_from(">H", answer, 2)[0] & 0x0200
    code, found = parse(await ask_tcp(arena, A, "many"))
    assert (code, len(found)) == (0, 59)
