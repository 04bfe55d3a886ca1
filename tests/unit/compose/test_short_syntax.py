import pytest

from sampan.compose.port_spec import BadPort, parse_ports
from sampan.compose.scalars import Bytes, Duration, FileMode, Float32
from sampan.compose.shellwords import BadCommandLine, split
from sampan.compose.volume_spec import BadVolume, parse_volume
from sampan.errors import InvalidArgument


def port(target, published="", protocol="tcp", host_ip=""):
    found = {"mode": "ingress", "target": target, "protocol": protocol}
    found |= {"published": published} if published else {}
    return found | ({"host_ip": host_ip} if host_ip else {})


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("80", [port(80)]),
        ("8080:80", [port(80, "8080")]),
        ("53:53/UDP", [port(53, "53", "udp")]),
        ("127.0.0.1:8080:80", [port(80, "8080", host_ip="127.0.0.1")]),
        ("127.0.0.1::80", [port(80, host_ip="127.0.0.1")]),
        ("[::1]:8080:80", [port(80, "8080", host_ip="::1")]),
        ("80-81", [port(80), port(81)]),
        ("90-91:80-81", [port(80, "90"), port(81, "91")]),
        ("8000-8010:80", [port(80, "8000-8010")]),
        ("22:22", [port(22, "22")]),
    ],
)
def test_ports(spec, expected):
    assert parse_ports(spec) == expected


@pytest.mark.parametrize(
    "spec",
    ["", "x", "80/foo", "1.2.3:80:80", "80-70", "70000", "80-90:1-2", "-1", "1:", "8 0", "+5"],
)
def test_bad_ports(spec):
    with pytest.raises(BadPort):
        parse_ports(spec)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("/data", {"type": "volume", "target": "/data", "volume": {}}),
        ("/a", {"type": "volume", "target": "/a"}),
        ("vol:/d", {"type": "volume", "source": "vol", "target": "/d", "volume": {}}),
        (
            "./x:/y:ro,z",
            {
                "type": "bind",
                "source": "./x",
                "target": "/y",
                "read_only": True,
                "bind": {"selinux": "z", "create_host_path": True},
            },
        ),
        (
            "vol:/d:nocopy",
            {"type": "volume", "source": "vol", "target": "/d", "volume": {"nocopy": True}},
        ),
        (
            r"C:\x:/y",
            {"type": "bind", "source": r"C:\x", "target": "/y", "bind": {"create_host_path": True}},
        ),
        ("${V:-a:b}:/y", {"type": "volume", "source": "${V:-a:b}", "target": "/y", "volume": {}}),
    ],
)
def test_volumes(spec, expected):
    assert parse_volume(spec) == expected


@pytest.mark.parametrize("spec", ["", "aa::b", "abc:", "aa:bb:cc:dd", ":/abc"])
def test_bad_volumes(spec):
    with pytest.raises(BadVolume):
        parse_volume(spec)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        ("  a  b ", ("a", "b")),
        ("sh -c 'a b' \"c d\"", ("sh", "-c", "a b", "c d")),
        (r"a\ b \n '\n'", ("a b", "\n", r"\n")),
        ("'' \"\"", ("", "")),
        ("a'b'c", ("abc",)),
        ("run && rest", ("run",)),
        ("echo $(date +%s) `x y`", ("echo", "$(date +%s)", "`x y`")),
        ('echo "a;b"', ("echo", "a;b")),
        ("x 2>err", ("x",)),
    ],
)
def test_command_lines(text, words):
    assert split(text) == words


@pytest.mark.parametrize("text", ["'a", '"a', "a\\", "a(b)", "`a", "$(a"])
def test_bad_command_lines(text):
    with pytest.raises(BadCommandLine):
        split(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), (5, 5), ("1k", 1024), ("1.5Gb", 1610612736), ("2 MiB", 2097152), ("-1", -1)],
)
def test_sizes(text, size):
    assert Bytes.read(text) == size


@pytest.mark.parametrize(
    ("text", "nanoseconds", "shown"),
    [
        ("0s", 0, "0s"),
        ("90s", 90 * 10**9, "1m30s"),
        ("1h1m1s", 3661 * 10**9, "1h1m1s"),
        ("1.5s", 15 * 10**8, "1.5s"),
        ("1500us", 1_500_000, "1.5ms"),
        ("2d", 172_800 * 10**9, "48h0m0s"),
        ("100ns", 100, "100ns"),
        ("-1m", -60 * 10**9, "-1m0s"),
    ],
)
def test_durations(text, nanoseconds, shown):
    assert (Duration.read(text), str(Duration.read(text))) == (nanoseconds, shown)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Bytes, "5x"),
        (Bytes, ""),
        (Bytes, 1.5),
        (Duration, "5"),
        (Duration, ""),
        (Duration, "1y"),
        (FileMode, "9"),
        (Float32, "x"),
    ],
)
def test_bad_scalars(kind, text):
    with pytest.raises(InvalidArgument):
        kind.read(text)


def test_fractions_keep_single_precision():
    assert str(Float32.read("0.1")) == "0.1"
    assert str(Float32.read(2)) == "2"
    assert Float32.read("0.1") != 0.1


def test_modes_are_octal_text_or_numbers():
    assert (FileMode.read("0440"), FileMode.read(0o440)) == (0o440, 0o440)
    assert str(FileMode(0o440)) == "0440"
