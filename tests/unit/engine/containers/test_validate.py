import pytest

from sampan.engine.containers.validate import check_extra_host, check_request
from sampan.errors import InvalidArgument
from sampan.wire.containers import (
    CreateRequest,
    DeviceRequest,
    EndpointAddressing,
    EndpointSettings,
    HealthConfig,
    HostSettings,
    NetworkingRequest,
    PortBinding,
    RestartSettings,
)


def request(*, host=None, **config):
    return CreateRequest(Image="busybox", HostConfig=HostSettings(**(host or {})), **config)


# (members of Config, members of HostConfig, part of dockerd's message)
REFUSED = [
    ({"WorkingDir": "rel"}, {}, "the working directory 'rel' is invalid"),
    ({"Env": ["=x"]}, {}, "invalid environment variable: =x"),
    ({"Env": [""]}, {}, "invalid environment variable: "),
    ({"StopSignal": "FOO"}, {}, "(?i)invalid signal: FOO"),
    ({"MacAddress": "zz"}, {}, "invalid MAC address"),
    ({"Healthcheck": HealthConfig(Test=["CMD", "x"], Interval=5)}, {}, "Interval in Healthcheck"),
    ({"Healthcheck": HealthConfig(Test=["CMD", "x"], Retries=-5)}, {}, "Retries in Healthcheck"),
    ({}, {"RestartPolicy": RestartSettings(Name="zz")}, "invalid restart policy"),
    (
        {},
        {"AutoRemove": True, "RestartPolicy": RestartSettings(Name="always")},
        "can't create 'AutoRemove' container with restart policy",
    ),
    ({}, {"Isolation": "hyperv"}, 'invalid isolation "hyperv" on linux'),
    (
        {},
        {"DeviceRequests": [DeviceRequest(Count=-1, Capabilities=[["gpu"]])]},
        r'could not select device driver "" with capabilities: \[\[gpu\]\]',
    ),
    ({}, {"ExtraHosts": ["bad"]}, 'bad format for add-host: "bad"'),
    ({}, {"ExtraHosts": ["a:zzz"]}, 'invalid IP address in add-host: "zzz"'),
    ({}, {"PortBindings": {"zz": [PortBinding(HostPort="1")]}}, "invalid port specification"),
    ({}, {"PortBindings": {"80/tcp": [PortBinding(HostPort="zz")]}}, 'specification: "zz"'),
    ({}, {"PortBindings": {"80/xxx": []}}, "invalid proto: xxx"),
    ({}, {"CgroupnsMode": "zz"}, "invalid cgroup namespace mode: zz"),
    ({}, {"OomScoreAdj": 5000}, "range for oom score adj"),
    ({}, {"ShmSize": -1}, "SHM size"),
    ({}, {"NetworkMode": "container:"}, "invalid container format"),
    ({}, {"PidMode": "zz"}, "invalid PID mode"),
    ({}, {"UsernsMode": "zz"}, "--userns: invalid USER mode"),
    ({}, {"IpcMode": "zz"}, "invalid IPC mode"),
    ({"Hostname": "h"}, {"UTSMode": "host"}, "hostname and the UTS mode"),
    ({"Hostname": "h"}, {"NetworkMode": "container:x"}, "hostname and the network mode"),
    ({}, {"NetworkMode": "container:x", "Dns": ["1.1.1.1"]}, "dns and the network mode"),
    ({}, {"NetworkMode": "host", "Links": ["a:b"]}, "host type network"),
    (
        {},
        {"NetworkMode": "container:x", "PortBindings": {"80/tcp": [PortBinding(HostPort="1")]}},
        "conflicting options: port publishing and the container type network mode",
    ),
    (
        {"ExposedPorts": {"80/tcp": {}}},
        {"NetworkMode": "container:x"},
        "port exposing and the container type network mode",
    ),
]


@pytest.mark.parametrize(("config", "host", "message"), REFUSED)
def test_requests_that_cannot_be_are_refused_in_dockerds_words(config, host, message):
    with pytest.raises(InvalidArgument, match=message):
        check_request(request(host=host, **config))


def test_an_empty_body_is_refused():
    with pytest.raises(InvalidArgument, match="config cannot be empty"):
        check_request(CreateRequest())


def test_addresses_must_be_addresses():
    settings = EndpointSettings(IPAMConfig=EndpointAddressing(IPv4Address="zz"))
    networking = NetworkingRequest(EndpointsConfig={"net": settings})
    with pytest.raises(InvalidArgument, match="invalid IPv4 address: zz"):
        check_request(CreateRequest(Image="x", NetworkingConfig=networking))


def test_ordinary_requests_pass():
    check_request(
        request(
            WorkingDir="/w",
            Env=["A=b", "PASSED"],
            StopSignal="SIGUSR1",
            host={
                "ExtraHosts": ["db:10.1.2.3", "gw=host-gateway", "six:[::1]"],
                "PortBindings": {"80/tcp": [PortBinding(HostPort="8080-8090")]},
                "RestartPolicy": RestartSettings(Name="on-failure", MaximumRetryCount=3),
            },
        )
    )


@pytest.mark.parametrize(
    ("entry", "pair"),
    [
        ("a:10.0.0.1", ("a", "10.0.0.1")),
        ("a=10.0.0.1", ("a", "10.0.0.1")),
        ("a:fe80::1", ("a", "fe80::1")),
        ("a:[fe80::1]", ("a", "fe80::1")),
        ("a:host-gateway", ("a", "host-gateway")),
    ],
)
def test_extra_hosts_have_several_spellings(entry, pair):
    assert check_extra_host(entry) == pair


def test_reaction_to_bad_health_is_one_that_there_is():
    label = "org.sampan.health-on-failure"
    for reaction in ("none", "kill", "restart", "stop"):
        check_request(request(Labels={label: reaction}))
    with pytest.raises(InvalidArgument, match=f"invalid label {label}=pray: must be of none, kill"):
        check_request(request(Labels={label: "pray"}))
