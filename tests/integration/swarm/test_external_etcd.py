"""Managers that use an etcd of somebody else's: as nodes without containers, and as daemons."""

import asyncio
import subprocess
from contextlib import AsyncExitStack, contextmanager

import pytest
from msgspec.structs import replace

from integration.harness import BUSYBOX, busybox_rootfs
from integration.swarm.external import ExternalLab, Way, plain_etcd
from integration.swarm.faults import until as until_true
from integration.swarm.lab import Lab
from integration.swarm.membership import needs_etcd, until
from sampan.daemon import swarm, swarm_joining, swarm_member
from sampan.errors import Conflict, InvalidArgument, SampanError
from sampan.swarm import ca
from sampan.swarm.etcd.client import EtcdClient, encoded, range_end
from sampan.swarm.etcd.external import ExternalEtcd
from sampan.swarm.etcd.members import LastManager
from sampan.swarm.model import Cluster, Config, Node
from sampan.swarm.store.interface import Create, Update
from sampan.wire.swarm import ConfigSpec

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120), needs_etcd]

DEAD = "http://127.0.0.1:1"  # nobody listens there


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    with plain_etcd(tmp_path_factory.mktemp("etcd")) as found:
        yield found


def run(lab, test):
    async def main():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(swarm_member, "PERIOD_S", 0.3)
            patch.setattr(swarm_joining, "AGAIN_S", 0.1)
            try:
                await test(lab)
            finally:
                for node in lab.nodes.values():
                    await node.close()

    asyncio.run(main())


def config(name):
    return Create(Config(id=name, spec=ConfigSpec(Name=name)))


def leads(node):
    return node.manager_states().get(node.node_id, None) is not None and (
        node.manager_states()[node.node_id].leader
    )


async def keys(endpoint, prefix):
    client = EtcdClient([endpoint])
    try:
        body = {"key": encoded(prefix), "range_end": encoded(range_end(prefix)), "keys_only": True}
        return len((await client.call("/v3/kv/range", body)).get("kvs", []))
    finally:
        await client.close()


def test_the_second_manager_leads_after_the_first(tmp_path, endpoint):
    async def test(lab):
        one = await lab.init("one")
        await until(lambda: leads(one))
        two = await lab.join("two", "one", "manager")
        await one.store().apply(config("before"))
        assert not (tmp_path / "one" / "data" / "etcd").exists()
        await until(lambda: two.store().tables.find(Config, "before"))
        assert not leads(two)
        await lab.nodes["one"].close()
        await until(lambda: leads(two))
        await two.store().apply(config("after"))
        again = lab.new("one")
        await again.start()
        await until(lambda: again.is_ready and again.store().tables.find(Config, "after"))
        assert not leads(again)

    run(ExternalLab(tmp_path, ExternalEtcd((DEAD, endpoint), "/first/")), test)


def test_a_leader_is_demoted_and_the_last_manager_takes_all_with_it(tmp_path, endpoint):
    async def test(lab):
        one = await lab.init("one")
        two = await lab.join("two", "one", "manager")
        await until(lambda: leads(one))
        node = two.store().tables.find(Node, one.node_id)
        await two.store().apply(Update(replace(node, spec=replace(node.spec, Role="worker"))))
        await until(lambda: two.store().tables.find(Node, one.node_id).role == "worker")
        await until(lambda: leads(two))
        with pytest.raises(LastManager):
            two.check_demotion(two.node_id)
        assert await keys(endpoint, "/demoted/")
        await two.leave(force=True)
        assert not await keys(endpoint, "/demoted/")
        await lab.init("three")

    run(ExternalLab.at(tmp_path, endpoint, "/demoted/"), test)


def test_one_prefix_is_one_swarm(tmp_path, endpoint):
    async def test(lab):
        one = await lab.init("one")
        with pytest.raises(Conflict, match="holds a swarm under /mine/ already"):
            await lab.init("two")
        assert lab.nodes["two"].standing().LocalNodeState == "inactive"
        with pytest.raises(InvalidArgument, match="isn't for managers with an external etcd"):
            await lab.init("two", ForceNewCluster=True)
        lab.etcd = ExternalEtcd((endpoint,), "/mine/too/")
        other = await lab.init("two")
        assert other.store().tables.count(Cluster) == one.store().tables.count(Cluster) == 1

    run(ExternalLab.at(tmp_path, endpoint, "/mine/"), test)


@pytest.mark.parametrize(
    ("etcd", "why"),
    [
        (lambda endpoint: None, "managers use an external etcd"),
        (lambda endpoint: ExternalEtcd((endpoint,), "/nobody/"), "doesn't hold the swarm"),
    ],
)
def test_a_manager_with_another_store_is_told(tmp_path, endpoint, monkeypatch, etcd, why):
    monkeypatch.setattr(swarm, "WAIT_S", 2.0)

    async def test(lab):
        await lab.init("one")
        lab.etcd = etcd(endpoint)
        with pytest.raises(swarm.JoinGoesOn):
            await lab.join("two", "one", "manager")
        await until(lambda: why in lab.nodes["two"].standing().Error)

    prefix = "/none/" if etcd(endpoint) is None else "/other/"
    run(ExternalLab.at(tmp_path, endpoint, prefix), test)


def test_a_manager_keeps_the_sort_of_store_that_it_has(tmp_path, endpoint):
    async def test(lab):
        etcd, lab.etcd = lab.etcd, None
        await lab.init("own")
        lab.etcd = etcd
        await lab.init("outside")
        own = await lab.restart("own")
        await until(lambda: "keeps the swarm in an etcd of its own" in own.standing().Error)
        lab.etcd = None
        outside = await lab.restart("outside")
        await until(lambda: "keeps the swarm in an external etcd" in outside.standing().Error)

    run(ExternalLab.at(tmp_path, endpoint, "/sorts/"), test)


def test_an_endpoint_that_falls_silent_is_left(tmp_path, endpoint):
    async def test(lab):
        async with AsyncExitStack() as stack:
            ways = [await stack.enter_async_context(Way(endpoint).run()) for _ in range(2)]
            lab.etcd = ExternalEtcd(tuple(way.endpoint for way in ways), "/silent/")
            one = await lab.init("one")
            await until(lambda: leads(one))
            ways[0].block()
            await one.store().apply(config("written"))
            assert one.store().tables.find(Config, "written")
            await one.close()

    run(ExternalLab.at(tmp_path, endpoint, "/silent/"), test)


def test_as_many_changes_at_once_as_an_etcd_takes_by_default(tmp_path, endpoint):
    async def test(lab):
        store = (await lab.init("one")).store()
        changes = [config(f"many{number}") for number in range(store.max_changes)]
        await store.apply(*changes)
        assert store.tables.find_named(Config, "many0")

    run(ExternalLab.at(tmp_path, endpoint, "/many/"), test)


def signed(folder):
    """An etcd's CA, and a certificate by it for both ends."""
    root, key = ca.new_root(), ca.new_key()
    identity = ca.Identity(node_id="etcd", role="manager", cluster_id="x")
    certificate = ca.sign(root, ca.request(key), identity, addresses=("127.0.0.1",))
    files = [folder / name for name in ("ca.pem", "cert.pem", "key.pem")]
    for path, content in zip(files, (root.certificate, certificate, key), strict=True):
        path.write_bytes(content)
    return [str(path) for path in files]


def test_certificates_on_both_ends(tmp_path):
    authority, certificate, key = signed(tmp_path)
    where = {"cert": certificate, "key": key, "trusted-ca": authority}
    options = [f"--{name}-file={path}" for name, path in where.items()]

    async def test(lab):
        lab.etcd = ExternalEtcd((lab.endpoint,), "/tls/", authority)
        with pytest.raises(SampanError):
            await lab.init("one")
        lab.etcd = ExternalEtcd((lab.endpoint,), "/tls/", authority, certificate, key)
        one = await lab.init("one")
        await one.store().apply(config("written"))

    with plain_etcd(tmp_path / "etcd", options=(*options, "--client-cert-auth")) as endpoint:
        lab = ExternalLab(tmp_path, None)
        lab.endpoint = endpoint
        run(lab, test)


def etcdctl(endpoint, *words, user="", stdin=""):
    named = ["--user", user] if user else []
    subprocess.run(
        ["etcdctl", "--endpoints", endpoint, *named, *words],
        input=stdin.encode(),
        env={"ETCDCTL_API": "3", "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
        timeout=20,
    )


def test_a_user_whose_tokens_end_under_way(tmp_path):
    password = tmp_path / "password"

    async def test(lab):
        password.write_text("wrong\n")
        with pytest.raises(SampanError, match="invalid user ID or password"):
            await lab.init("one")
        assert lab.nodes["one"].standing().LocalNodeState == "inactive"
        password.write_text("ahoy\n")
        one = await lab.init("one")
        await until(lambda: leads(one))
        await one.store().apply(config("before"))
        # new users end all tokens, and this one's password is another one now
        change = ("user", "passwd", "--interactive=false", "sampan")
        etcdctl(lab.endpoint, *change, user="root:r", stdin="new\n")
        for line in ("user add late:x", "user grant-role late sampan"):
            etcdctl(lab.endpoint, *line.split(), user="root:r")
        password.write_text("new")
        await one.store().apply(config("after"))
        await until(lambda: one.store().tables.find(Config, "after"))

    with plain_etcd(tmp_path / "etcd") as endpoint:
        for line in (
            "user add root:r",
            "user grant-role root root",
            "role add sampan",
            "role grant-permission sampan --prefix=true readwrite /users/",
            "user add sampan:ahoy",
            "user grant-role sampan sampan",
            "auth enable",
        ):
            etcdctl(endpoint, *line.split())
        etcd = ExternalEtcd((endpoint,), "/users/", user="sampan", password_file=str(password))
        lab = ExternalLab(tmp_path, etcd)
        lab.endpoint = endpoint
        run(lab, test)


@contextmanager
def wired(lab):
    """The namespaces alone; all of the lab is closed in the end by who starts its daemons."""
    try:
        lab.wires.start()
        yield
    except BaseException:
        lab.wires.close()
        raise


@pytest.fixture
def daemons(tmp_path):
    """Two, and an etcd on the first one's machine."""
    lab = Lab(2, "--swarm-etcd-endpoint", "http://10.99.0.1:2379")
    first = lab.nodes[0]
    folder = tmp_path / "etcd"
    with wired(lab), plain_etcd(folder, first.address, 2379, netns=first.netns) as endpoint:
        try:
            for node in lab.nodes:
                node.start()
            yield lab, endpoint
        finally:
            lab.close()


def running(node, name):
    found = node.docker("service", "ps", name, "--format", "{{.CurrentState}}").stdout
    return found.startswith("Running")


def test_daemons_survive_the_leader(daemons):
    lab, endpoint = daemons
    first, second = lab.nodes
    health = ("busybox", "wget", "-qO-", f"{endpoint}/health")
    until_true(lambda: "true" in first.run(*health).stdout)
    lab.load(busybox_rootfs(), BUSYBOX)
    lab.form(managers=2)
    until_true(lambda: first.docker("node", "ls").stdout.count("Ready") == 2)
    children = subprocess.run(
        ["pgrep", "-P", str(first.process.pid), "etcd"], capture_output=True, check=False
    )
    assert not children.stdout
    quick = ("--init", "--stop-grace-period", "1s", "--detach")
    create = ("service", "create", "--network", "host", *quick)
    first.docker(*create, "--name", "before", BUSYBOX, "sleep", "900")
    until_true(lambda: running(second, "before"))
    status = ("node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}")
    assert "node1 Leader" in second.docker(*status).stdout
    first.kill()
    until_true(lambda: "node2 Leader" in second.docker(*status).stdout)
    second.docker(*create, "--name", "after", BUSYBOX, "sleep", "900")
    until_true(lambda: running(second, "after"))
