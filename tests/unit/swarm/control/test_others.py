"""Nodes, tasks, secrets, configs, the swarm itself, logs, events."""

import asyncio
import base64
import json

import pytest

from sampan.errors import AlreadyExists, InvalidArgument, NotFound, SampanError
from sampan.swarm.control.happenings import happening
from sampan.swarm.control.logs import LogRequest
from sampan.swarm.control.nodes import Standing
from sampan.swarm.messages import LogLine, LogOptions
from sampan.swarm.model import (
    Attachment,
    Cluster,
    ContainerStatus,
    Manager,
    Network,
    Node,
    NodeDescription,
    NodeStatus,
    Service,
    Task,
    TaskStatus,
)
from sampan.swarm.states import NodeState, TaskState
from sampan.swarm.store.interface import Action, Event, Update
from sampan.wire import codec
from sampan.wire.filters import Filters
from sampan.wire.services import (
    ReplicatedMode,
    ServiceContainer,
    ServiceMode,
    TaskSpec,
)
from sampan.wire.stdcopy import Demultiplexer
from sampan.wire.swarm import (
    CertificateConfig,
    ConfigSpec,
    NodeSpec,
    OrchestrationConfig,
    SecretSpec,
    SwarmSpec,
)
from unit.swarm.control.conftest import spec

RPC = "rpc error: code = InvalidArgument desc = "
PRECONDITION = "rpc error: code = FailedPrecondition desc = "


def shown(value):
    return json.loads(codec.encode(value))


def data(size):
    return base64.b64encode(b"x" * size).decode()


# --- secrets and configs


def test_a_secret_never_shows_its_data(manager):
    manager.do(manager.control.secrets.create(SecretSpec(Name="s", Data=data(5))))
    view = shown(manager.control.secrets.inspect("s"))
    assert view["Spec"] == {"Name": "s", "Labels": {}}
    manager.do(manager.control.configs.create(ConfigSpec(Name="c", Data=data(5))))
    assert shown(manager.control.configs.inspect("c"))["Spec"]["Data"] == data(5)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (SecretSpec(Data=data(1)), RPC + "name must be provided"),
        (
            SecretSpec(Name="bad name", Data=data(1)),
            RPC + "invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end "
            "character must be [a-zA-Z0-9]",
        ),
        (
            SecretSpec(Name="s"),
            RPC + "secret data must be larger than 0 and less than 512000 bytes",
        ),
        (
            SecretSpec(Name="s", Data=data(512000)),
            RPC + "secret data must be larger than 0 and less than 512000 bytes",
        ),
        (SecretSpec(Name="s", Data="!!!"), "illegal base64 data at input byte 0"),
    ],
)
def test_secrets_have_names_and_limits(manager, spec, text):
    with pytest.raises(InvalidArgument) as caught:
        manager.do(manager.control.secrets.create(spec))
    assert caught.value.message == text


def test_the_largest_payloads_are_taken(manager):
    manager.do(manager.control.secrets.create(SecretSpec(Name="s", Data=data(511999))))
    manager.do(manager.control.configs.create(ConfigSpec(Name="c", Data=data(1023999))))
    with pytest.raises(AlreadyExists, match="code = AlreadyExists desc = config c already exists"):
        manager.do(manager.control.configs.create(ConfigSpec(Name="c", Data=data(1))))


def test_only_labels_of_a_config_change(manager):
    configs = manager.control.configs
    manager.do(configs.create(ConfigSpec(Name="c", Data=data(1))))
    version = configs.inspect("c").Version.Index
    for wrong in (ConfigSpec(Name="d"), ConfigSpec(Name="c", Data=data(2)), ConfigSpec()):
        with pytest.raises(InvalidArgument, match="only updates to Labels are allowed"):
            manager.do(configs.update("c", version, wrong))
    manager.do(configs.update("c", version, ConfigSpec(Name="c", Labels={"x": "y"})))
    assert shown(configs.inspect("c"))["Spec"]["Labels"] == {"x": "y"}
    with pytest.raises(SampanError, match="update out of sequence"):
        manager.do(configs.update("c", version, ConfigSpec(Name="c")))


# --- nodes


def test_a_node_is_shown_as_dockerd_shows_it(manager):
    description = NodeDescription(hostname="vm", os="linux", architecture="x86_64")
    manager.node(
        "n1",
        "manager",
        description=description,
        status=NodeStatus(state=NodeState.READY, addr="127.0.0.1"),
        manager=Manager(addr="127.0.0.1:2377"),
    )
    manager.managers.found = {"n1": Standing(leads=True, is_reachable=True)}
    view = shown(manager.control.nodes.inspect("vm"))
    assert view["Spec"] == {"Labels": {}, "Role": "manager", "Availability": "active"}
    assert view["Status"] == {"State": "ready", "Addr": "127.0.0.1"}
    assert view["ManagerStatus"] == {
        "Leader": True,
        "Reachability": "reachable",
        "Addr": "127.0.0.1:2377",
    }
    manager.node("n2")
    assert "ManagerStatus" not in shown(manager.control.nodes.inspect("n2"))


def change(manager, name, **members):
    version = manager.store.tables.find(Node, name).version
    given = {"Role": "worker", "Availability": "active", **members}
    manager.do(manager.control.nodes.update(name, version, NodeSpec(**given)))


def test_the_last_manager_stays_one(manager):
    manager.node("n1", "manager")
    with pytest.raises(InvalidArgument) as caught:
        change(manager, "n1")
    text = "attempting to demote the last manager of the swarm"
    assert caught.value.message == PRECONDITION + text


def test_a_demotion_may_not_lose_the_quorum(manager):
    for name in ("n1", "n2", "n3"):
        manager.node(name, "manager")
    manager.managers.found = {
        "n1": Standing(leads=True, is_reachable=True),
        "n2": Standing(leads=False, is_reachable=True),
        "n3": Standing(leads=False, is_reachable=False),
    }
    with pytest.raises(InvalidArgument, match="loss of quorum"):
        change(manager, "n2")
    change(manager, "n3")


def test_nodes_take_only_known_words(manager):
    manager.node("n1")
    with pytest.raises(InvalidArgument, match='invalid Role: "xx"'):
        change(manager, "n1", Role="xx")
    with pytest.raises(InvalidArgument, match='invalid Availability: "xx"'):
        change(manager, "n1", Availability="xx")
    change(manager, "n1", Availability="drain", Labels={"a": "b"})
    assert manager.store.tables.find(Node, "n1").spec.Availability == "drain"


def test_a_node_leaves_the_list_when_it_is_gone_or_forced(manager):
    manager.node("n1", "manager", manager=Manager(addr="x"))
    manager.node("n2", status=NodeStatus(state=NodeState.READY))
    manager.node("n3", status=NodeStatus(state=NodeState.DOWN))
    nodes = manager.control.nodes
    with pytest.raises(InvalidArgument, match="must be demoted to worker before removal"):
        manager.do(nodes.remove("n1", force=True))
    with pytest.raises(InvalidArgument, match="node n2 is not down and can't be removed"):
        manager.do(nodes.remove("n2"))
    manager.do(nodes.remove("n2", force=True))
    manager.do(nodes.remove("n3"))
    assert [each.ID for each in nodes.list(Filters())] == ["n1"]


def test_wrong_values_of_node_filters_are_told(manager):
    with pytest.raises(SampanError, match="Invalid role filter: 'x'"):
        manager.control.nodes.list(Filters({"role": ("x",)}))


# --- tasks


def make_task(manager, name="t1", **more):
    manager.put(Task(**{"id": name, "spec": TaskSpec(ContainerSpec=ServiceContainer()), **more}))


def test_a_task_is_shown_as_dockerd_shows_it(manager):
    manager.put(
        Network(id="net", name="ov", attachable=True, vni=4100, subnets=("10.0.3.0/24",),
                gateways=("10.0.3.1",), labels={"q": "r"})
    )  # fmt: skip
    make_task(
        manager,
        spec=TaskSpec(ContainerSpec=ServiceContainer(Image="b"), Runtime="container"),
        service_id="s",
        slot=1,
        node_id="n",
        status=TaskStatus(
            state=TaskState.RUNNING,
            timestamp_ns=1_500_000_000,
            message="started",
            container=ContainerStatus(container_id="c", pid=7),
        ),
        networks=(Attachment(network_id="net", addresses=("10.0.3.4/24",)),),
    )
    created = {"CreatedAt": "1970-01-01T00:00:02Z", "UpdatedAt": "1970-01-01T00:00:02Z"}
    assert shown(manager.control.tasks.inspect("t1")) == {
        "ID": "t1",
        "Version": {"Index": 3},
        "CreatedAt": "1970-01-01T00:00:03Z",
        "UpdatedAt": "1970-01-01T00:00:03Z",
        "Labels": {},
        "Spec": {"ContainerSpec": {"Image": "b"}, "ForceUpdate": 0},
        "ServiceID": "s",
        "Slot": 1,
        "NodeID": "n",
        "Status": {
            "Timestamp": "1970-01-01T00:00:01.5Z",
            "State": "running",
            "Message": "started",
            "ContainerStatus": {"ContainerID": "c", "PID": 7, "ExitCode": 0},
            "PortStatus": {},
        },
        "DesiredState": "running",
        "NetworksAttachments": [
            {
                "Network": {
                    "ID": "net",
                    "Version": {"Index": 2},
                    **created,
                    "Spec": {
                        "Name": "ov",
                        "Labels": {"q": "r"},
                        "DriverConfiguration": {"Name": "overlay"},
                        "Attachable": True,
                        "Scope": "swarm",
                    },
                    "DriverState": {
                        "Name": "overlay",
                        "Options": {"com.docker.network.driver.overlay.vxlanid_list": "4100"},
                    },
                    "IPAMOptions": {
                        "Driver": {"Name": "default"},
                        "Configs": [{"Subnet": "10.0.3.0/24", "Gateway": "10.0.3.1"}],
                    },
                },
                "Addresses": ["10.0.3.4/24"],
            }
        ],
    }


def test_the_hidden_filter_keeps_tasks_of_the_present_spec(manager):
    service = manager.service()
    held = manager.store.tables.find(Service, service)
    make_task(manager, "old", service_id=service, spec_version=held.spec_version - 1)
    make_task(manager, "new", service_id=service, spec_version=held.spec_version)
    make_task(manager, "same", service_id=service, spec_version=0, spec=held.spec.TaskTemplate)
    wanted = Filters({"service": (service,), "_up-to-date": ("true",)})
    assert [each.ID for each in manager.control.tasks.list(wanted)] == ["new", "same"]


def test_tasks_are_chosen_by_node_service_label_and_wish(manager):
    manager.node("n1")
    make_task(manager, "t1", node_id="n1", desired_state=TaskState.SHUTDOWN)
    make_task(manager, "t2", service_labels={"a": "b"}, service_name="web", slot=2)

    def ids(**filters):
        values = {key.replace("_", "-"): (value,) for key, value in filters.items()}
        return [each.ID for each in manager.control.tasks.list(Filters(values))]

    assert ids(node="n1") == ["t1"]
    assert ids(label="a=b") == ["t2"]
    assert ids(desired_state="shutdown") == ["t1"]
    assert ids(name="web.2") == ["t2"]
    with pytest.raises(SampanError, match="Invalid desired-state filter: 'nope'"):
        ids(desired_state="nope")
    with pytest.raises(NotFound, match="service nope not found"):
        ids(service="nope")


def test_plain_containers_on_networks_arent_listed(manager):
    manager.put(Task(id="a", spec=TaskSpec(Runtime="attachment")))
    assert not manager.control.tasks.list(Filters())


# --- the swarm


def test_an_update_of_the_swarm_replaces_only_what_it_says(manager):
    clusters = manager.control.cluster
    version = manager.store.tables.all(Cluster)[0].version
    wanted = SwarmSpec(Orchestration=OrchestrationConfig(TaskHistoryRetentionLimit=3))
    manager.do(clusters.update(version, wanted, rotate_worker_token=True))
    ((given, asked_version, rotations),) = manager.settings.asked
    assert given.Name == "default"
    assert given.Orchestration.TaskHistoryRetentionLimit == 3
    assert asked_version == version
    assert rotations["rotate_worker_token"]
    assert not rotations["rotate_manager_token"]
    with pytest.raises(SampanError, match="update out of sequence"):
        manager.do(clusters.update(version + 1, SwarmSpec(CAConfig=CertificateConfig())))


# --- logs


def read_logs(manager, **options):
    manager.logs.lines = [LogLine(task_id="t1", stream="stderr", time_ns=1, data=b"hi\n")]
    service = manager.service()
    make_task(manager, service_id=service, node_id="n")
    request = LogRequest(LogOptions(), **options)

    async def collect():
        is_raw, chunks = manager.control.logs.of_service("web", request)
        assert not is_raw
        demultiplexer = Demultiplexer()
        return [pair async for chunk in chunks for pair in demultiplexer.feed(chunk)]

    return service, asyncio.run(collect())


def test_log_records_say_whose_they_are(manager):
    service, frames = read_logs(manager, details=True, timestamps=True)
    details = (
        f"com.docker.swarm.node.id=n,com.docker.swarm.service.id={service},"
        "com.docker.swarm.task.id=t1"
    )
    assert frames == [(2, f"1970-01-01T00:00:00.000000001Z {details} hi\n".encode())]


def test_what_cant_be_read_is_told_at_the_end(manager):
    manager.logs.failure = SampanError("node n didn't answer")
    _, frames = read_logs(manager)
    assert frames == [(2, b"hi\n"), (3, b"node n didn't answer\n")]


# --- events


def test_updates_of_services_say_what_changed():
    old = Service(id="s", spec=spec(Mode=ServiceMode(Replicated=ReplicatedMode(Replicas=1))))
    new = Service(id="s", spec=spec(Mode=ServiceMode(Replicated=ReplicatedMode(Replicas=3))))
    found = happening(Event(Action.UPDATED, new, old))
    assert (found.type, found.action) == ("service", "update")
    assert found.attributes == {"name": "web", "replicas.old": "1", "replicas.new": "3"}


def test_beats_of_nodes_and_tasks_are_no_events():
    node = Node(id="n", spec=NodeSpec(), description=NodeDescription(hostname="vm"))
    assert happening(Event(Action.UPDATED, node, node)) is None
    ready = Node(
        id="n",
        spec=NodeSpec(),
        description=node.description,
        status=NodeStatus(state=NodeState.READY),
    )
    assert happening(Event(Action.UPDATED, ready, node)).attributes == {
        "name": "vm",
        "state.old": "unknown",
        "state.new": "ready",
    }
    assert happening(Event(Action.CREATED, Task(id="t", spec=TaskSpec()), None)) is None


def test_a_nodes_state_makes_no_client_stale(manager):
    manager.node("n1")
    seen = manager.store.tables.find(Node, "n1")
    manager.do(manager.store.apply(Update(seen)))  # as the dispatcher does
    spec = NodeSpec(Role="worker", Availability="drain")
    manager.do(manager.control.nodes.update("n1", seen.version, spec))
    with pytest.raises(SampanError, match="update out of sequence"):
        manager.do(manager.control.nodes.update("n1", seen.version, spec))
