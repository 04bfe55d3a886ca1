"""Making a network or an endpoint fails at every point in turn; each time nothing of it is left.

The points are the calls that change the kernel. One fails before the kernel did it, or after (an
answer that got lost, a request that was done in part). What counts as left: interfaces, addresses,
routes, firewall elements, documents, and reservations (the same is asked for again afterwards).
"""

import json
from contextlib import contextmanager
from pathlib import Path

import pytest

from sampan.linux import namespaces, rtmessages, rtroutes, sysctl
from sampan.linux.netlink import Netlink
from sampan.linux.nft import Nft
from sampan.network import bridge, publisher, sandbox
from sampan.network.model import OPTION_BRIDGE_NAME, EndpointRequest, NetworkSpec, Pool, PortRequest

from .conftest import TAG
from .test_service import A, B

pytestmark = [pytest.mark.integration, pytest.mark.anyio]

PORT = PortRequest("udp", 53, "127.0.0.1", 0)
SPEC = NetworkSpec(
    "n",
    enable_ipv6=True,
    pools=(Pool("10.213.77.0/24"), Pool("fd00:213:77::/64")),
    options={OPTION_BRIDGE_NAME: f"{TAG}nb"},
)
ADOPTED = f"{TAG}ad"
DESCRIPTORS = Path("/proc/self/fd")


class Injected(OSError):
    pass


class Faults:
    """The call number `at` (from 1) fails; none does while `at` is 0."""

    def __init__(self):
        self.at, self.late, self.seen, self.hit = 0, False, 0, False

    def wrap(self, real):
        def call(*args, **kwargs):
            self.seen += 1
            chosen = self.seen == self.at
            if chosen and not self.late:
                self.hit = True
                raise Injected(f"call {self.at}")
            result = real(*args, **kwargs)
            if chosen:
                self.hit = True
                raise Injected(f"after call {self.at}")
            return result

        return call

    @contextmanager
    def at_call(self, number, late):
        self.at, self.late, self.seen, self.hit = number, late, 0, False
        yield
        self.at = 0


@pytest.fixture
def faults(monkeypatch):
    made = Faults()
    monkeypatch.setattr(Netlink, "execute", made.wrap(Netlink.execute))
    monkeypatch.setattr(Nft, "run", made.wrap(Nft.run))
    for module in (bridge, sandbox):
        monkeypatch.setattr(module, "ensure_sysctl", made.wrap(sysctl.ensure_sysctl))
    monkeypatch.setattr(publisher, "forget_udp_port", made.wrap(publisher.forget_udp_port))
    return made


def facts(arena, *containers):
    """Everything that a half-made network or endpoint could leave."""
    found = {"documents": dict(arena.documents.bodies)}
    with Netlink() as netlink, Nft() as nft:
        links = {link.index: link.name for link in netlink.links() if link.name.startswith(TAG)}
        found["links"] = sorted(links.values())
        found["addresses"] = sorted(
            (links[index], str(entry))
            for index, entry in netlink.addresses()
            if index in links and not entry.is_link_local
        )
        found["rules"] = [
            _plain(nft.list(f"table {entry['table']['family']} {arena.settings.table_name}"))
            for entry in nft.list("tables")
            if entry["table"]["name"] == arena.settings.table_name
        ]
    for container in containers:
        with namespaces.entered_path(arena.sandbox(container)), Netlink() as inside:
            found[container] = (
                sorted(link.name for link in inside.links()),
                sorted(map(str, inside.routes(4))),
                sorted(map(str, (way for way in inside.routes(6) if way.gateway))),
            )
    return found


def _plain(listed):
    text = json.dumps([{**one, "handle": 0} for entry in listed for one in entry.values()])
    return [line for line in sorted(text.split("}")) if "packets" not in line]


async def fail_everywhere(faults, attempt, undo, look):
    """Returns how many points there were."""
    for late in (False, True):
        number = 0
        while True:
            number += 1
            before = look()
            with faults.at_call(number, late):
                try:
                    made = await attempt()
                except Injected:
                    made = None
            if made is None:
                assert look() == before, f"left by call {number} late={late}"
            made = made or await attempt()
            await undo(made)
            if not faults.hit:
                break
    return number - 1


async def test_creating_a_network(arena, faults):
    async def undo(network):
        await arena.service.remove(network.id)

    points = await fail_everywhere(
        faults, lambda: arena.service.create(SPEC), undo, lambda: facts(arena)
    )
    assert points > 8


async def test_a_bridge_of_somebody_else_gets_back_what_it_had(arena, faults):
    with Netlink() as netlink:
        netlink.execute(rtmessages.create_bridge(ADOPTED))
    spec = NetworkSpec(
        "n",
        pools=(Pool("10.213.78.0/24"),),
        options={OPTION_BRIDGE_NAME: ADOPTED},
    )

    async def undo(network):
        await arena.service.remove(network.id)
        with Netlink() as netlink:
            index = netlink.get_link(ADOPTED).index
            for _, entry in netlink.addresses(index):
                netlink.execute(rtroutes.delete_address(index, entry))

    await fail_everywhere(faults, lambda: arena.service.create(spec), undo, lambda: facts(arena))


async def test_connecting_a_running_container(arena, faults):
    """The new network takes over the way out and the published ports; or neither."""
    default = await arena.service.get("bridge")
    network = await arena.service.create(SPEC)
    await arena.service.create_sandbox(A)
    first = await arena.service.join(A, "a", EndpointRequest(default.id))
    await arena.service.publish(A, first, [PORT])

    async def attempt():
        request = EndpointRequest(network.id, ipv4="10.213.77.9", gw_priority=1)
        return await arena.service.join(A, "a", request)

    async def undo(endpoint):
        await arena.service.leave(A, endpoint.network_id)

    points = await fail_everywhere(faults, attempt, undo, lambda: facts(arena, A))
    assert points > 4
    assert set(await arena.service.containers_on(default.id)) == {A}


async def test_ports_that_lead_nowhere_still_do(arena, faults):
    """They would follow the new network: all or nothing."""
    default = await arena.service.get("bridge")
    network = await arena.service.create(SPEC)
    await arena.service.create_sandbox(A)
    first = await arena.service.join(A, "a", EndpointRequest(default.id))
    await arena.service.publish(A, first, [PORT])
    await arena.service.leave(A, default.id)

    async def attempt():
        return await arena.service.join(A, "a", EndpointRequest(network.id))

    async def undo(endpoint):
        await arena.service.leave(A, endpoint.network_id)

    await fail_everywhere(faults, attempt, undo, lambda: facts(arena, A))


@pytest.mark.timeout(90)  # two daemons' starts for each point
async def test_starting_at_all(arena, faults):
    """The start fails, or goes on without the network that can't stand; what it did is undone."""
    network = await arena.service.create(SPEC)
    await arena.service.close(remove=True)

    async def attempt():
        arena.service = arena.new_service()
        try:
            await arena.service.start()
        except Injected:
            await arena.service.close(remove=True)
            raise
        return await arena.service.get(network.id)

    async def undo(_):
        await arena.service.close(remove=True)

    def look():
        kept = [key for key, body in arena.documents.all() if b'"name":"n"' in bytes(body)]
        return {**facts(arena), "documents": kept, "descriptors": len(list(DESCRIPTORS.iterdir()))}

    before = look()
    points = await fail_everywhere(faults, attempt, undo, look)
    assert points > 8
    assert look() == before
    await attempt()


async def test_starting_a_container(arena, faults):
    """Sandbox, endpoint, ports: as the engine does it."""
    network = await arena.service.create(SPEC)
    await arena.service.create_sandbox(B)  # the IPv6 rules are there before and after
    port = PortRequest("udp", 53, "127.0.0.1", 40953)

    async def attempt():
        try:
            await arena.service.create_sandbox(A)
            endpoint = await arena.service.join(A, "a", EndpointRequest(network.id))
            await arena.service.publish(A, endpoint, [port])
        except BaseException:
            await arena.service.destroy_sandbox(A)
            raise
        return endpoint

    async def undo(_):
        await arena.service.destroy_sandbox(A)

    def look():
        found = facts(arena)
        found["links"] = [name for name in found["links"] if not name.startswith(f"{TAG}v")]
        found["mounts"] = sorted(path.name for path in arena.settings.netns_root.iterdir())
        return found

    points = await fail_everywhere(faults, attempt, undo, look)
    assert points > 6
