import pytest
from msgspec.structs import replace

from sampan.errors import InvalidArgument, Unsupported
from sampan.swarm.agent.container_spec import PlacedFile, create_request, device, grace_s
from sampan.swarm.agent.templates import BadTemplate, Expander
from sampan.swarm.model import Attachment, Endpoint, Node, NodeDescription, Task
from sampan.wire.containers import DeviceMapping, Mount, PortBinding, Ulimit
from sampan.wire.services import (
    DNSSettings,
    DriverConfig,
    Limit,
    PortConfig,
    PrivilegeSettings,
    ResourceAmounts,
    ResourceRequirements,
    ServiceContainer,
    TaskSpec,
)
from sampan.wire.swarm import NodeSpec

NODE = Node(
    id="n1",
    spec=NodeSpec(),
    description=NodeDescription(hostname="host1", os="linux", architecture="x86_64"),
)


def made(spec: TaskSpec | None = None, **container: object) -> Task:
    asked = ServiceContainer(**{"Image": "nginx", **container})
    return Task(
        id="task1",
        spec=replace(spec or TaskSpec(), ContainerSpec=asked),
        service_id="svc1",
        service_name="web",
        service_labels={"team": "a"},
        slot=2,
        node_id="n1",
    )


def host(task: Task, **more: object):
    return create_request(task, NODE, **more).HostConfig


def test_a_container_says_where_it_belongs():
    task = made(Labels={"x": "y"})
    assert task.name == "web.2.task1"
    assert create_request(task, NODE).Labels == {
        "x": "y",
        "com.docker.swarm.node.id": "n1",
        "com.docker.swarm.service.id": "svc1",
        "com.docker.swarm.service.name": "web",
        "com.docker.swarm.task": "",
        "com.docker.swarm.task.id": "task1",
        "com.docker.swarm.task.name": "web.2.task1",
    }


def test_command_replaces_the_entrypoint_and_args_the_command():
    both = create_request(made(Command=["/a"], Args=["b"]), NODE)
    assert (both.Entrypoint, both.Cmd) == (["/a"], ["b"])
    args = create_request(made(Args=["b"]), NODE)
    assert (args.Entrypoint, args.Cmd) == (None, ["b"])


def test_templates_know_service_node_and_task():
    task = made(
        Hostname="{{.Node.Hostname}}-{{.Task.Slot}}",
        Env=['N={{.Service.Name}} {{index .Service.Labels "team"}}', "P={{.Node.Platform.OS}}"],
        Mounts=[Mount(Type="volume", Source="v-{{.Task.Slot}}", Target="/{{.Service.ID}}")],
    )
    request = create_request(task, NODE)
    assert request.Hostname == "host1-2"
    assert request.Env == ["N=web a", "P=linux"]
    mount = request.HostConfig.Mounts[0]
    assert (mount.Source, mount.Target) == ("v-2", "/svc1")


def test_the_slot_of_a_global_task_is_its_node():
    task = replace(made(Hostname="{{.Task.Slot}}"), slot=0)
    assert create_request(task, NODE).Hostname == "n1"


def test_a_template_of_something_unknown_is_refused():
    with pytest.raises(BadTemplate, match="expanding env failed"):
        create_request(made(Env=["A={{.Service.Nothing}}"]), NODE)


def test_payload_templates_see_environment_and_other_payloads():
    expander = Expander(made(), NODE)
    text = expander.payload(
        '{{env "A"}} {{secret "s"}} {{config "c"}} {{.Task.Name}}',
        "secret",
        env={"A": "1"},
        secret={"s": "geheim"}.get,
        config={"c": "conf"}.get,
    )
    assert text == "1 geheim conf web.2.task1"
    with pytest.raises(BadTemplate, match="secret target x not found"):
        expander.payload('{{secret "x"}}', "secret", env={}, secret={}.get, config={}.get)


def test_limits_and_reservations():
    resources = ResourceRequirements(
        Limits=Limit(NanoCPUs=5, MemoryBytes=6, Pids=7),
        Reservations=ResourceAmounts(NanoCPUs=1, MemoryBytes=2),
    )
    found = host(made(TaskSpec(Resources=resources)))
    assert (found.NanoCpus, found.Memory, found.PidsLimit) == (5, 6, 7)
    assert found.MemoryReservation == 2


def test_what_plain_containers_have_services_have():
    found = host(
        made(
            Groups=["g"],
            ReadOnly=True,
            Init=True,
            Sysctls={"net.x": "1"},
            CapabilityAdd=["CAP_NET_ADMIN"],
            CapabilityDrop=["CAP_CHOWN"],
            Ulimits=[Ulimit(Name="nofile", Soft=1, Hard=2)],
            OomScoreAdj=9,
            Privileged=True,
            Devices=["/dev/fuse"],
            Hosts=["1.2.3.4 a b"],
            DNSConfig=DNSSettings(Nameservers=["9.9.9.9"], Search=["s"], Options=["o"]),
            Privileges=PrivilegeSettings(
                NoNewPrivileges=True,
                Seccomp={"Mode": "unconfined"},
                AppArmor={"Mode": "disabled"},
            ),
        )
    )
    assert (found.GroupAdd, found.ReadonlyRootfs, found.Init) == (["g"], True, True)
    assert (found.Sysctls, found.OomScoreAdj, found.Privileged) == ({"net.x": "1"}, 9, True)
    assert (found.CapAdd, found.CapDrop) == (["CAP_NET_ADMIN"], ["CAP_CHOWN"])
    assert found.Ulimits[0].Name == "nofile"
    assert found.Devices[0].PathOnHost == "/dev/fuse"
    assert found.ExtraHosts == ["a:1.2.3.4", "b:1.2.3.4"]
    assert (found.Dns, found.DnsSearch, found.DnsOptions) == (["9.9.9.9"], ["s"], ["o"])
    assert found.SecurityOpt == [
        "no-new-privileges=true",
        "seccomp=unconfined",
        "apparmor=unconfined",
    ]
    assert found.RestartPolicy.Name == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/dev/a", ("/dev/a", "/dev/a", "rwm")),
        ("/dev/a:/dev/b", ("/dev/a", "/dev/b", "rwm")),
        ("/dev/a:r", ("/dev/a", "/dev/a", "r")),
        ("/dev/a:/dev/b:rw", ("/dev/a", "/dev/b", "rw")),
    ],
)
def test_devices(text, expected):
    path, inside, permissions = expected
    assert device(text) == DeviceMapping(
        PathOnHost=path, PathInContainer=inside, CgroupPermissions=permissions
    )


def test_a_device_that_is_none_is_refused():
    with pytest.raises(InvalidArgument):
        device("sda")


def test_networks_have_the_addresses_that_were_given():
    task = replace(
        made(),
        networks=(
            Attachment(network_id="net1", addresses=("10.0.1.5/24",), aliases=("web",)),
            Attachment(network_id="ing", addresses=("10.0.0.7/24",)),
        ),
    )
    request = create_request(task, NODE)
    assert request.HostConfig.NetworkMode == "net1"
    endpoints = request.NetworkingConfig.EndpointsConfig
    assert endpoints["net1"].IPAMConfig.IPv4Address == "10.0.1.5"
    assert endpoints["net1"].MacAddress == "02:42:0a:00:01:05"
    assert endpoints["net1"].Aliases == ["web"]
    assert endpoints["ing"].IPAMConfig.IPv4Address == "10.0.0.7"
    assert host(made()).NetworkMode == "default"


def test_only_host_mode_ports_are_the_containers_own():
    ports = (
        PortConfig(Protocol="tcp", TargetPort=80, PublishedPort=8080, PublishMode="host"),
        PortConfig(Protocol="udp", TargetPort=53, PublishMode="host"),
        PortConfig(Protocol="tcp", TargetPort=443, PublishedPort=8443, PublishMode="ingress"),
    )
    request = create_request(replace(made(), endpoint=Endpoint(ports=ports)), NODE)
    assert request.ExposedPorts == {"80/tcp": {}, "53/udp": {}}
    assert request.HostConfig.PortBindings == {
        "80/tcp": [PortBinding(HostPort="8080")],
        "53/udp": [PortBinding(HostPort="")],
    }


def test_log_drivers_own_then_the_swarms():
    default = DriverConfig(Name="journald")
    own = TaskSpec(LogDriver=DriverConfig(Name="json-file", Options={"max-size": "1m"}))
    assert host(made(), log_driver=default).LogConfig.Type == "journald"
    assert host(made(own), log_driver=default).LogConfig.Config == {"max-size": "1m"}


def test_payload_files_are_bound_read_only():
    found = host(made(), files=[PlacedFile("/run/x/0", "/run/secrets/a")]).Mounts
    assert [(one.Source, one.Target, one.ReadOnly) for one in found] == [
        ("/run/x/0", "/run/secrets/a", True)
    ]


def test_grace_period():
    assert grace_s(made()) == 10
    assert grace_s(made(StopGracePeriod=3_000_000_000)) == 3
    assert grace_s(made(StopGracePeriod=0)) == 0


def test_other_runtimes_are_refused():
    with pytest.raises(Unsupported):
        create_request(replace(made(), spec=TaskSpec(PluginSpec={"Name": "x"})), NODE)
