"""The routing mesh: published ports on every machine, whoever runs the tasks."""

import socket
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import pytest

from integration.network.overlay.hosts import FAR, WEB, readable
from sampan.network import sandbox
from sampan.network.mesh import INGRESS_SANDBOX
from sampan.network.overlay_model import (
    MeshPort,
)

pytestmark = [pytest.mark.integration, pytest.mark.anyio]


async def publish_web(swarm):
    """`web` in the mesh: containers in the ingress network on two of three hosts."""
    backends = ("10.78.0.11", "10.78.0.12")
    swarm.mesh = (MeshPort("tcp", 8080, 80, backends), MeshPort("udp", 5353, 53, backends))
    await swarm.tell(swarm.ingress)
    near, far, _ = swarm.hosts
    await near.run(WEB, backends[0], network="ingress")
    await far.run(FAR, backends[1], network="ingress")
    return [("near", near.listen(WEB)), ("far", far.listen(FAR))]


def from_outside(host, address, port=8080):
    made = host.socket_in(host.wires.paths[host.number])
    made.connect((address, port))
    return made


def answered(client, servers):
    """As `served`, where the server sees an address of the mesh instead of the client's."""
    for name, server in servers:
        server.setblocking(False)
        try:
            accepted, peer = server.accept()
        except BlockingIOError:
            continue
        assert peer[0].startswith("10.78.0.")
        accepted.sendall(name.encode())
        accepted.close()
        return client.recv(10).decode()
    raise AssertionError("nobody was asked")


async def test_the_mesh_answers_on_every_host(swarm):
    servers = await publish_web(swarm)
    idle = swarm.hosts[2]
    for asker in swarm.hosts:
        for address in (idle.vtep, "127.0.0.1"):
            answers = [answered(from_outside(asker, address), servers) for _ in range(4)]
            assert Counter(answers) == {"near": 2, "far": 2}, (asker.number, address)
    swarm.mesh = tuple(replace(port, backends=port.backends[:1]) for port in swarm.mesh)
    await swarm.tell(swarm.ingress)
    assert {answered(from_outside(idle, "127.0.0.1"), servers) for _ in range(3)} == {"near"}
    swarm.mesh = ()
    await swarm.tell(swarm.ingress)
    with pytest.raises(ConnectionRefusedError):
        from_outside(idle, "127.0.0.1")


async def test_udp_clients_of_a_backend_that_goes_get_another(swarm):
    """A client that keeps its socket is a flow that would go on to the old backend."""
    await publish_web(swarm)
    near, far, idle = swarm.hosts
    servers = {}
    for host, container_id, address in ((near, WEB, "10.78.0.11"), (far, FAR, "10.78.0.12")):
        servers[address] = host.socket_in(host.path(container_id), socket.SOCK_DGRAM)
        servers[address].bind(("0.0.0.0", 53))
        servers[address].setblocking(False)
    client = idle.socket_in(idle.wires.paths[2], socket.SOCK_DGRAM)
    client.connect(("127.0.0.1", 5353))

    def asked():
        client.send(b"?")
        (found,) = [text for text, server in servers.items() if readable(server)]
        return found

    first = asked()
    assert asked() == first
    rest = tuple(address for address in servers if address != first)
    swarm.mesh = tuple(replace(port, backends=rest) for port in swarm.mesh)
    await swarm.tell(swarm.ingress)
    assert (asked(),) == rest


async def test_a_port_in_use_is_told_and_had_once_it_is_free(swarm):
    idle = swarm.hosts[2]
    holder = sandbox.open_socket(swarm.wires.paths[2], socket.AF_INET, socket.SOCK_STREAM)
    holder.bind(("0.0.0.0", 8080))
    holder.listen()
    swarm.mesh = (MeshPort("tcp", 8080, 80, ()), MeshPort("tcp", 8081, 80, ()))
    (problem,) = await idle.service.apply(swarm.topology(idle, swarm.ingress))
    assert problem == "failed to bind host port 0.0.0.0:8080/tcp: address already in use"
    holder.close()
    assert await idle.service.apply(swarm.topology(idle, swarm.ingress)) == []


def accepted_by(host, servers):
    """The connections that wait to be accepted."""
    for _, server in servers:
        server.setblocking(False)
        with suppress(BlockingIOError):
            yield host.accept(server)[0]


async def test_a_restart_of_the_daemon_interrupts_nothing(swarm):
    servers = await publish_web(swarm)
    near, _, idle = swarm.hosts
    client = from_outside(idle, "127.0.0.1")
    (end,) = accepted_by(idle, servers)
    await idle.service.close()
    idle.service = idle.new_service()
    await idle.service.start()
    await idle.service.finish_restore()
    end.sendall(b"on")
    assert client.recv(2) == b"on"
    assert Counter(answered(from_outside(idle, "127.0.0.1"), servers) for _ in range(4)) == {
        "near": 2,
        "far": 2,
    }
    endpoint = (await near.service.containers_on("ingress"))[WEB]
    await near.service.close()
    near.service = near.new_service()
    await near.service.start()
    await near.service.restore(WEB, [endpoint], [])
    await near.service.finish_restore()
    outlets = await near.service.get("docker_gwbridge")
    assert set(await near.service.containers_on(outlets.id)) == {WEB, INGRESS_SANDBOX}
    assert {answered(from_outside(near, "127.0.0.1"), servers) for _ in range(4)} == {"near", "far"}
