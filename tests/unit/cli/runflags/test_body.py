import pytest

from sampan.cli.flags import FlagError, parse
from sampan.cli.runflags.body import create_body
from sampan.cli.runflags.table import SHARED
from sampan.errors import InvalidArgument


def body(*words):
    flags, rest = parse(SHARED, [*words, "busybox"], interspersed=False)
    return create_body(flags, rest, {})


def host(*words):
    return body(*words)["HostConfig"]


def test_defaults_are_those_docker_sends():
    document = body()
    assert document["AttachStdout"]
    assert document["Cmd"] is None
    assert document["Env"] is None
    config = document["HostConfig"]
    assert config["NetworkMode"] == "default"
    assert config["RestartPolicy"] == {"Name": "no", "MaximumRetryCount": 0}
    assert config["MemorySwappiness"] == -1
    assert list(document["NetworkingConfig"]["EndpointsConfig"]) == ["default"]


@pytest.mark.parametrize(
    ("spec", "ports", "bindings"),
    [
        ("80", ["80/tcp"], [("", "")]),
        ("8080:80", ["80/tcp"], [("", "8080")]),
        ("127.0.0.1::53/udp", ["53/udp"], [("127.0.0.1", "")]),
        ("[::1]:1:2", ["2/tcp"], [("::1", "1")]),
        ("80-81:90-91", ["90/tcp", "91/tcp"], [("", "80"), ("", "81")]),
        ("5000-5010:80", ["80/tcp"], [("", "5000-5010")]),
        ("published=8080,target=80,protocol=udp", ["80/udp"], [("", "8080")]),
    ],
)
def test_published_ports(spec, ports, bindings):
    document = body("-p", spec)
    assert list(document["ExposedPorts"]) == ports
    found = document["HostConfig"]["PortBindings"]
    assert [(b["HostIp"], b["HostPort"]) for port in ports for b in found[port]] == bindings


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-p", "x"], "invalid containerPort: x"),
        (["-p", "99999:80"], "invalid hostPort: 99999"),
        (["-p", "80:80/xxx"], "invalid proto: xxx"),
        (["-p", "1.2.3:80:80"], "invalid IP address: 1.2.3"),
        (["-p", "80-81:80-82"], "invalid ranges specified for container and host Ports: 80-82"),
        (["--expose", "x"], "invalid range format for --expose: x"),
        (["-v", ""], "invalid empty volume spec"),
        (["--device", "a:b:c:d"], "bad format for path: a:b:c:d"),
        (["--device", "/dev/null:/x:zz"], "bad mode specified: zz"),
        (["--restart", "on-failure:x"], "maximum retry count must be an integer"),
        (["--rm", "--restart", "always"], "cannot specify both --restart and --rm"),
        (["--health-cmd", "x", "--no-healthcheck"], "--no-healthcheck conflicts"),
        (["--pid", "x"], "--pid: invalid PID mode"),
        (["--security-opt", "x"], 'Invalid --security-opt: "x"'),
        (["--network-alias", "x"], "only supported for user-defined networks"),
        (["--network", "a", "--network", "host"], "cannot attach both user-defined"),
        (["--memory-swappiness", "101"], "Valid memory swappiness range is 0-100"),
        (["--env-file", "/nosuch"], "open /nosuch: no such file or directory"),
        (["--mac-address", "zz"], "zz is not a valid mac address"),
        (["--log-driver", "none", "--log-opt", "a=b"], "invalid logging opts for driver none"),
    ],
)
def test_combinations_that_are_refused(words, message):
    with pytest.raises(InvalidArgument, match=message.replace("(", r"\(").replace("[", r"\[")):
        body(*words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--mount", "type=bind,src=/x"], "target is required"),
        (["--mount", "bogus"], "invalid field 'bogus' must be a key=value pair"),
        (["--mount", "bogus=1,dst=/x"], "unexpected key 'bogus' in 'bogus=1'"),
        (["--mount", "type=tmpfs,dst=/x,tmpfs-size=zz"], "invalid value for tmpfs-size: zz"),
        (["--mount", "dst=/x,bind-propagation=slave"], "cannot mix 'bind-"),
        (["--ulimit", "nofile=9:3"], "soft limit must be less than or equal to hard limit: 9 > 3"),
        (["--ulimit", "bad=9"], "invalid ulimit type: bad"),
        (["--link", "a:b:c"], "bad format for links: a:b:c"),
        (["-e", "=x"], "invalid environment variable: =x"),
        (["--add-host", "x:999"], 'invalid IP address in add-host: "999"'),
        (["-a", "foo"], "valid streams are STDIN, STDOUT and STDERR"),
        (["--sysctl", "kernel.panic=1"], "sysctl 'kernel.panic=1' is not allowed"),
        (["--device-read-bps", "x"], "bad format: x"),
    ],
)
def test_values_that_are_refused_name_the_flag(words, message):
    with pytest.raises(FlagError) as caught:
        body(*words)
    assert message in str(caught.value)


def test_volumes_mounts_and_tmpfs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    document = body(
        "-v", "/data", "-v", "/a:/b:ro", "-v", "./rel:/c", "--tmpfs", "/t:size=1m",
        "--mount", "type=bind,src=/a,dst=/m,readonly,bind-recursive=disabled",
    )  # fmt: skip
    config = document["HostConfig"]
    assert document["Volumes"] == {"/data": {}}
    assert config["Binds"] == ["/a:/b:ro", f"{tmp_path}/rel:/c"]
    assert config["Tmpfs"] == {"/t": "size=1m"}
    assert config["Mounts"] == [
        {
            "Type": "bind",
            "Source": "/a",
            "Target": "/m",
            "ReadOnly": True,
            "BindOptions": {"NonRecursive": True},
        }
    ]


def test_environment_from_files_flags_and_our_own(tmp_path, monkeypatch):
    monkeypatch.setenv("PASSED", "two")
    monkeypatch.delenv("UNSET", raising=False)
    file = tmp_path / "vars"
    file.write_text("\ufeffFROM_FILE=one\nPASSED\nUNSET\n# note\n\n")
    words = ["--env-file", str(file), "-e", "A=b", "-e", "UNSET", "-e", "PASSED"]
    assert body(*words)["Env"] == ["FROM_FILE=one", "PASSED=two", "A=b", "UNSET", "PASSED=two"]


def test_labels_from_files_and_flags(tmp_path):
    file = tmp_path / "labels"
    file.write_text("a=file\nb=1\n")
    found = body("--label-file", str(file), "-l", "a=flag", "-l", "bare")["Labels"]
    assert found == {"a": "flag", "b": "1", "bare": ""}


def test_health_check_durations_are_nanoseconds():
    check = body("--health-cmd", "x", "--health-interval", "1s", "--health-retries", "3")
    assert check["Healthcheck"] == {
        "Test": ["CMD-SHELL", "x"], "Interval": 10**9, "Retries": 3,
    }  # fmt: skip


def test_entrypoint_can_be_reset():
    assert body("--entrypoint", "")["Entrypoint"] == [""]
    assert body("--entrypoint", "x")["Entrypoint"] == ["x"]


def test_capabilities_get_their_prefix():
    config = host("--cap-add", "net_admin", "--cap-add", "CAP_CHOWN", "--cap-drop", "all")
    assert config["CapAdd"] == ["CAP_CHOWN", "CAP_NET_ADMIN"]
    assert config["CapDrop"] == ["ALL"]


def test_networks_and_what_belongs_to_the_first():
    endpoints = body(
        "--network", "n1", "--network", "name=n2,alias=x,ip=1.2.3.4", "--network-alias", "y",
        "--ip", "4.3.2.1", "--link", "a:b",
    )["NetworkingConfig"]["EndpointsConfig"]  # fmt: skip
    assert endpoints["n1"]["Aliases"] == ["y"]
    assert endpoints["n1"]["Links"] == ["a:b"]
    assert endpoints["n1"]["IPAMConfig"] == {"IPv4Address": "4.3.2.1"}
    assert endpoints["n2"]["IPAMConfig"] == {"IPv4Address": "1.2.3.4"}
    assert body("--network", "host")["NetworkingConfig"] == {"EndpointsConfig": {}}


def test_seccomp_profiles_travel_with_the_request(tmp_path):
    profile = tmp_path / "p.json"
    profile.write_text('{ "defaultAction": "SCMP_ACT_ALLOW" }')
    options = host("--security-opt", f"seccomp={profile}")["SecurityOpt"]
    assert options == ['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}']
    assert host("--security-opt", "systempaths=unconfined")["MaskedPaths"] == []


def test_attach_flags():
    document = body("-a", "stderr")
    attached = [document[f"Attach{name}"] for name in ("Stdin", "Stdout", "Stderr")]
    assert attached == [False, False, True]


def test_proxies_fill_what_is_not_set():
    flags, rest = parse(SHARED, ["-e", "HTTP_PROXY=mine", "busybox"], interspersed=False)
    env = create_body(flags, rest, {"HTTP_PROXY": "x", "NO_PROXY": "y"})["Env"]
    assert env == ["HTTP_PROXY=mine", "NO_PROXY=y"]
