"""Flags, daemon.json, and what they may not say."""

import json
from pathlib import Path

import pytest

from sampan.daemon.config import Config, RuntimeChoice, load
from sampan.daemon.flags import BadUsage, HelpWanted, usage
from sampan.daemon.settings import SETTINGS
from sampan.errors import InvalidArgument


@pytest.fixture
def configured(tmp_path):
    """`configured({"debug": true}, "--flag")` loads a file and flags."""

    def run(content, *flags) -> Config:
        path = tmp_path / "daemon.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return load(["--config-file", str(path), *flags])

    return run


def test_defaults(configured):
    config = configured({})
    assert config.data_root == Path("/var/lib/sampan")
    assert config.exec_root == Path("/run/sampan")
    assert config.hosts == ("unix:///run/sampan.sock",)
    assert config.default_runtime == ""


def test_missing_default_file_is_fine_but_a_named_one_must_exist(tmp_path):
    with pytest.raises(InvalidArgument, match="no such file or directory"):
        load(["--config-file", str(tmp_path / "nosuch")])


def test_flags_take_their_value_attached_or_apart(configured):
    config = configured(
        {},
        *("--data-root=/a", "--exec-root", "/b", "-H", "unix:///c", "-Htcp://127.0.0.1:1"),
        *("-D", "--log-level=warn", "--insecure-registry", "r:5000", "--bip=10.9.0.1/24"),
        *("--default-address-pool", "base=10.8.0.0/16,size=24", "--add-runtime", "x=/bin/x"),
        *("--log-opt", "max-size=1m", "--log-opt", "max-file=2"),
    )
    assert config.data_root == Path("/a")
    assert config.exec_root == Path("/b")
    assert config.hosts == ("unix:///c", "tcp://127.0.0.1:1")
    assert config.debug
    assert config.insecure_registries == ("r:5000",)
    assert config.default_address_pools == (("10.8.0.0/16", 24),)
    assert config.runtimes == {"x": RuntimeChoice("/bin/x")}
    assert config.log_opts == {"max-size": "1m", "max-file": "2"}


def test_file_has_dockerds_keys(configured):
    config = configured(
        {
            "hosts": ["unix:///x.sock"],
            "registry-mirrors": ["https://m.example"],
            "runtimes": {"fast": {"path": "/usr/bin/fast", "runtimeArgs": ["--a"]}},
            "default-runtime": "fast",
            "default-address-pools": [{"base": "10.0.0.0/8", "size": 24}],
            "max-concurrent-downloads": 5,
            "live-restore": True,
        }
    )
    assert config.hosts == ("unix:///x.sock",)
    assert config.runtimes["fast"] == RuntimeChoice("/usr/bin/fast", ("--a",))
    assert config.default_address_pools == (("10.0.0.0/8", 24),)
    assert config.max_concurrent_downloads == 5


def test_unknown_keys_are_refused_by_name(configured):
    with pytest.raises(InvalidArgument) as caught:
        configured({"foo": 1, "bar": 2})
    assert caught.value.message.endswith(
        "the following directives don't match any configuration option: bar, foo"
    )


def test_a_setting_in_both_flag_and_file_is_refused_with_both_values(configured):
    with pytest.raises(InvalidArgument) as caught:
        configured({"hosts": ["unix:///x"], "debug": True}, "-D", "-H", "unix:///y")
    assert caught.value.message.endswith(
        "the following directives are specified both as a flag and in the configuration file: "
        "debug: (from flag: true, from file: true), "
        "hosts: (from flag: [unix:///y], from file: [unix:///x])"
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("{", "unable to configure the Docker daemon with file"),
        ({"bip": 5}, "bip must be of type text"),
        ({"hosts": "unix:///x"}, "hosts must be of type list"),
        ({"runtimes": {"x": {}}}, "runtimes must be"),
        ({"log-level": "nope"}, "unable to parse logging level: nope"),
        ({"default-runtime": "zzz"}, "specified default runtime 'zzz' does not exist"),
        ({"max-concurrent-downloads": 0}, "invalid max concurrent downloads: 0"),
        ({"live-restore": False}, "live-restore"),
        ({"bip": "10.0.0.300/8"}, "invalid CIDR address"),
        ({"hosts": ["foo://x"]}, "Invalid bind address format: foo://x"),
        ({"hosts": ["unix://"]}, "Invalid bind address format"),
        ({"insecure-registries": ["a b"]}, "insecure registry a b is not valid"),
        ({"registry-mirrors": ["a b"]}, "invalid mirror"),
        ({"registries": {"reg.example": {"mirrors": ["ftp://m"]}}}, "invalid mirror"),
        ({"registries": {"reg.example": {"mirror": []}}}, "registries must be of type registries"),
        ({"registries": {"http://reg.example": {"mirrors": []}}}, "invalid registry"),
        ({"default-registry": "http://hub.example"}, "invalid registry"),
        ({"default-address-pools": [{"base": "10.0.0.0/16", "size": 8}]}, "invalid pool size"),
        ({"dns": ["x"]}, "x is not an ip address"),
        ({"swarm-etcd-endpoints": ["etcd:2379"]}, "invalid etcd endpoint etcd:2379"),
        ({"swarm-etcd-prefix": "/x/"}, "swarm-etcd settings need swarm-etcd-endpoints"),
        ({"labels": ["novalue"]}, "bad attribute format"),
        ("[]", "not a JSON object"),
    ],
)
def test_bad_values_are_refused(configured, content, text):
    with pytest.raises(InvalidArgument) as caught:
        configured(content)
    assert text in caught.value.message


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--nosuch"], "unknown flag: --nosuch"),
        (["-Z"], "unknown shorthand flag: 'Z' in -Z"),
        (["extra"], "accepts no arguments"),
        (["--host"], "flag needs an argument: --host"),
        (["--debug=maybe"], "invalid argument"),
        (["--max-concurrent-downloads", "x"], "invalid argument"),
    ],
)
def test_bad_command_lines(words, text):
    with pytest.raises(BadUsage) as caught:
        load(words)
    assert text in caught.value.message
    assert "See 'sampan daemon --help'." in caught.value.message


def test_help_names_every_flag():
    with pytest.raises(HelpWanted):
        load(["--help"])
    assert all(f"--{setting.flag}" in usage(Config()) for setting in SETTINGS)


def test_registries_and_their_mirrors(configured):
    mirrors = {"reg.example:5000": {"mirrors": ["https://m.example"]}}
    config = configured({"registries": mirrors}, "--default-registry", "hub.example:5000")
    assert config.registries == {"reg.example:5000": ("https://m.example",)}
    assert config.default_registry == "hub.example:5000"


def test_an_external_etcd(configured):
    assert configured({}).swarm_etcd is None
    etcd = configured({"swarm-etcd-endpoints": ["http://a:2379", "http://b:2379"]}).swarm_etcd
    assert etcd.endpoints == ("http://a:2379", "http://b:2379")
    given = configured({}, "--swarm-etcd-endpoint", "http://a:2379", "--swarm-etcd-prefix", "/x/")
    assert (given.swarm_etcd.endpoints, given.swarm_etcd.prefix) == (("http://a:2379",), "/x/")
