"""Membership over real certificates and a real store: no containers, all nodes on loopback."""

import asyncio
import socket

import pytest
from msgspec.structs import replace

from integration.swarm.membership import lab, needs_etcd, request, until
from sampan.errors import Internal, InvalidArgument, SampanError, Unauthenticated, Unavailable
from sampan.swarm.membership.documents import CertificateRequest, Issued, Membership
from sampan.swarm.model import Network, Node
from sampan.swarm.peer.client import PeerClient, Unreachable
from sampan.swarm.peer.credentials import Credentials, stranger
from sampan.swarm.states import NodeState
from sampan.swarm.store.interface import NoQuorum, Remove, Update
from sampan.wire.swarm import LockConfig, SwarmSpec
from sampan.wire.swarm_views import InitRequest, JoinRequest

pytestmark = [pytest.mark.integration, needs_etcd, pytest.mark.timeout(90)]


def run(tmp_path, test):
    async def main():
        async with lab(tmp_path) as nodes:
            await test(nodes)

    asyncio.run(main())


def node_of(node, identifier):
    return node.store().tables.find(Node, identifier)


async def set_role(at, identifier, role):
    node = node_of(at, identifier)
    await at.store().apply(Update(replace(node, spec=replace(node.spec, Role=role))))


def test_init_join_and_restart(tmp_path):
    async def test(nodes):
        one = await nodes.init("one")
        assert one.standing().LocalNodeState == "active"
        assert one.store().tables.find_named(Network, "ingress").ingress
        with pytest.raises(Unavailable, match="already part of a swarm"):
            await one.init(InitRequest(ListenAddr="127.0.0.1:2377"))
        worker = await nodes.join("worker", "one", "worker")
        with pytest.raises(Unavailable, match="Worker nodes can't be used"):
            worker.store()
        two = await nodes.join("two", "one", "manager")
        assert {node.role for node in two.store().tables.all(Node)} == {"worker", "manager"}
        for name in ("one", "worker"):
            before = nodes.nodes[name].node_id
            again = await nodes.restart(name)
            await until(lambda node=again: node.is_ready)
            assert again.node_id == before
        assert one.node_id in two.manager_states()
        await two.store().apply(Update(replace(two.cluster(), fips=True)))

    run(tmp_path, test)


def test_who_is_let_in(tmp_path):
    async def test(nodes):
        one = await nodes.init("one")
        with pytest.raises(InvalidArgument, match="invalid join token"):
            await nodes.new("x").join(request(nodes.address("one"), "SWMTKN-1-none", 30999))
        good = nodes.token("one", "worker")
        for wrong, text in (
            (good[:-25] + "0" * 25, "rpc error: code = InvalidArgument desc = A valid join token"),
            (good[:9] + "0" * 50 + good[59:], "does not match fingerprint"),
        ):
            refused = nodes.new("refused")
            with pytest.raises(InvalidArgument, match=text):
                await refused.join(request(nodes.address("one"), wrong, 30998))
            assert refused.standing().LocalNodeState == "inactive"
        worker = await nodes.join("worker", "one", "worker")
        credentials = Credentials(worker._files.tls)
        client = PeerClient(credentials.client)
        at = nodes.address("one")
        with pytest.raises(SampanError, match="not allowed for a worker"):
            await client.call(at, "POST", "/cluster/managers", {}, kind=bytes)
        anonymous = PeerClient(lambda: stranger(None))
        with pytest.raises(Unauthenticated):
            await anonymous.call(at, "GET", "/cluster/membership", kind=Membership)
        with pytest.raises(SampanError, match="valid join token"):
            nonsense = CertificateRequest(csr="nonsense")
            await anonymous.call(at, "POST", "/ca/certificate", nonsense, kind=Issued)
        # a worker's certificate opens no door of the store
        peer_port = one._member.manager.process.settings.peer_advertise
        with pytest.raises((Unreachable, SampanError)):
            await client.call(peer_port, "GET", "/members", kind=bytes)
        await one.store().apply(Remove(node_of(one, worker.node_id)))
        with pytest.raises(Unauthenticated):
            await client.call(at, "GET", "/cluster/membership", kind=Membership)
        for each in (client, anonymous):
            await each.close()

    run(tmp_path, test)


def test_promotion_and_demotion_follow_the_spec(tmp_path):
    async def test(nodes):
        one = await nodes.init("one")
        two = await nodes.join("two", "one", "worker")
        await set_role(one, two.node_id, "manager")
        await until(lambda: two.is_ready and two._member.role == "manager")
        assert len(one.manager_states()) == 2
        # the leader itself: hands over, and is demoted by the other
        await set_role(two, one.node_id, "worker")
        await until(lambda: one._member.role == "worker" and one._member.manager is None)
        await until(lambda: list(two.manager_states()) == [two.node_id])
        await two.store().apply(Update(replace(two.cluster(), fips=True)))
        await set_role(two, one.node_id, "manager")
        await until(lambda: one._member.role == "manager" and one.is_ready)

    run(tmp_path, test)


def test_the_root_is_rotated_under_way(tmp_path):
    async def test(nodes):
        one = await nodes.init("one")
        worker = await nodes.join("worker", "one", "worker")
        two = await nodes.join("two", "one", "manager")
        cluster = one.cluster()
        spec = replace(cluster.spec, CAConfig=replace(cluster.spec.CAConfig, ForceRotate=1))
        await one.update(spec, cluster.version)
        assert one.cluster().next_ca_certificate
        await until(lambda: two.cluster().ca_certificate != cluster.ca_certificate, 30)
        new = two.cluster().ca_certificate
        for node in (one, worker, two):
            await until(lambda node=node: node._standing.keyring.roots == new)
        await one.store().apply(Update(replace(one.cluster(), fips=True)))
        await nodes.join("late", "two", "worker")

    run(tmp_path, test)


def test_a_locked_manager_waits_for_its_key(tmp_path):
    async def test(nodes):
        one = await nodes.init("one", AutoLockManagers=True)
        key = one.unlock_key()
        locked = await nodes.restart("one")
        assert locked.standing().LocalNodeState == "locked"
        with pytest.raises(Unavailable, match="needs to be unlocked"):
            locked.store()
        with pytest.raises(Unauthenticated, match="invalid key provided"):
            await locked.unlock(key[:-4] + ("AAAA" if key[-4:] != "AAAA" else "BBBB"))
        await locked.unlock(key)
        cluster = locked.cluster()
        spec = replace(cluster.spec, EncryptionConfig=LockConfig(AutoLockManagers=False))
        await locked.update(spec, cluster.version)
        await until(lambda: not locked._files.is_locked)
        open_again = await nodes.restart("one")
        await until(lambda: open_again.is_ready)
        assert open_again.unlock_key() == ""

    run(tmp_path, test)


def test_lost_quorum_is_said_and_mended_by_force(tmp_path):
    async def test(nodes):
        one = await nodes.init("one")
        two = await nodes.join("two", "one", "manager")
        worker = await nodes.join("worker", "one", "worker")
        await two.close()
        with pytest.raises(NoQuorum, match="does not have a leader"):
            await one.store().apply(Update(replace(one.cluster(), fips=True)))
        again = await nodes.restart("one")  # etcd serves nobody until there's a quorum
        with pytest.raises(Unavailable, match="Manager is being prepared"):
            again.store()
        await again.init(
            InitRequest(
                ListenAddr=nodes.address("one"),
                AdvertiseAddr="127.0.0.1",
                ForceNewCluster=True,
                Spec=SwarmSpec(),
            )
        )
        await again.store().apply(Update(replace(again.cluster(), fips=True)))
        assert list(again.manager_states()) == [again.node_id]
        assert node_of(again, worker.node_id) is not None

    run(tmp_path, test)


def test_leaving(tmp_path):
    async def test(nodes):
        one = await nodes.init("one")
        two = await nodes.join("two", "one", "manager")
        three = await nodes.join("three", "one", "manager")
        with pytest.raises(Unavailable, match="participating as a manager"):
            await three.leave(force=False)
        await three.leave(force=True)
        await until(lambda: len(one.manager_states()) == 2)
        with pytest.raises(Unavailable, match="leaves 1 managers out of 2"):
            await two.leave(force=False)
        assert three.standing().LocalNodeState == "inactive"
        with pytest.raises(Unavailable, match="not part of a swarm"):
            await three.leave(force=True)
        worker = await nodes.join("three", "two", "worker")
        assert worker.is_ready
        identifier = worker.node_id
        assert node_of(two, identifier).status.state != NodeState.DOWN
        await worker.leave(force=False)
        assert node_of(two, identifier).status.state == NodeState.DOWN, "it said so itself"

    run(tmp_path, test)


def test_leaving_without_a_manager_in_reach(tmp_path):
    async def test(nodes):
        one = await nodes.init("one")
        worker = await nodes.join("worker", "one", "worker")
        await one.close()
        await worker.leave(force=False)
        assert worker.standing().LocalNodeState == "inactive"

    run(tmp_path, test)


def test_nobody_at_the_address_to_join_at(tmp_path):
    async def test(nodes):
        lost = nodes.new("lost")
        token = f"SWMTKN-1-{'0' * 50}-{'0' * 25}"
        with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 can't be reached"):
            await lost.join(request("127.0.0.1:1", token, 30996))
        assert lost.standing().LocalNodeState == "inactive"

    run(tmp_path, test)


def test_nodes_that_speak_ipv6(tmp_path):
    async def test(nodes):
        one = nodes.new("one")
        at = f"[::1]:{nodes.ports['one']}"
        await one.init(InitRequest(ListenAddr=at, AdvertiseAddr="::1"))
        two = nodes.new("two")
        await two.join(
            JoinRequest(
                ListenAddr=f"[::1]:{nodes.ports['two']}",
                RemoteAddrs=[at],
                JoinToken=nodes.token("one", "manager"),
            )
        )
        assert two.standing().NodeAddr == "::1"
        await two.store().apply(Update(replace(two.cluster(), fips=True)))

    run(tmp_path, test)


def test_a_port_that_is_taken_is_said_at_once(tmp_path):
    async def test(nodes):
        one = nodes.new("one")
        with (
            socket.create_server(("127.0.0.1", nodes.ports["one"])),
            pytest.raises(Internal, match="bind: address already in use"),
        ):
            await nodes.init("one")
        assert one.standing().LocalNodeState == "inactive"
        await nodes.init("one")

    run(tmp_path, test)
