import pytest

from sampan.errors import InvalidArgument
from sampan.logs.drivers import Buffering, Rotation, buffering, check, rotation, writes_file


@pytest.mark.parametrize(
    ("driver", "options", "text"),
    [
        ("json-file", {"nosuch": "1"}, "unknown log opt 'nosuch' for json-file log driver"),
        ("syslog", {"max-size": "1m"}, "unknown log opt 'max-size' for syslog log driver"),
        ("fluentd", {}, "no log driver named 'fluentd' is registered"),
        ("json-file", {"max-size": "x"}, "invalid size: 'x'"),
        ("json-file", {"max-size": "0"}, "max-size must be a positive number"),
        ("json-file", {"max-file": "0"}, "max-file cannot be less than 1"),
        ("json-file", {"compress": "true", "max-size": "1m"}, "compress cannot be true"),
        ("json-file", {"compress": "true", "max-size": "-1"}, "compress cannot be true"),
        ("json-file", {"mode": "x"}, "logging mode not supported"),
        ("json-file", {"max-buffer-size": "1m"}, "only supported with 'mode=non-blocking'"),
        ("json-file", {"env-regex": "("}, "invalid regular expression"),
        ("json-file", {"tag": "{{.NoSuch}}"}, "template: log-tag:1"),
        ("syslog", {"syslog-address": "nosuch://x"}, "unsupported syslog address"),
        ("syslog", {"syslog-address": "udp://:99"}, "no host"),
        ("syslog", {"syslog-address": "tcp://x:port"}, "invalid syslog-address"),
        ("syslog", {"syslog-facility": "nosuch"}, "invalid syslog facility"),
        ("syslog", {"syslog-format": "nosuch"}, "Invalid syslog format"),
    ],
)
def test_impossible_options_are_refused(driver, options, text):
    with pytest.raises(InvalidArgument) as failure:
        check(driver, options)
    assert text in failure.value.message


DEFAULT = Rotation(max_size_bytes=10_000_000, max_files=3, compress=True)


@pytest.mark.parametrize(
    ("driver", "options", "expected"),
    [
        ("json-file", {}, DEFAULT),
        ("json-file", {"tag": "x"}, DEFAULT),
        ("json-file", {"compress": "true"}, DEFAULT),
        ("json-file", {"compress": "false"}, Rotation(max_size_bytes=10_000_000, max_files=3)),
        ("json-file", {"max-size": "-1"}, Rotation()),
        ("json-file", {"max-size": "-1", "max-file": "3"}, Rotation(max_files=3)),
        ("json-file", {"max-size": "1m"}, Rotation(max_size_bytes=1_000_000)),
        ("json-file", {"max-file": "1"}, Rotation(max_size_bytes=10_000_000)),
        (
            "json-file",
            {"max-size": "10k", "max-file": "3"},
            Rotation(max_size_bytes=10_000, max_files=3, compress=True),
        ),
        ("local", {}, Rotation(max_size_bytes=20 << 20, max_files=5, compress=True)),
        (
            "local",
            {"max-size": "1MB"},
            Rotation(max_size_bytes=1_000_000, max_files=5, compress=True),
        ),
    ],
)
def test_rotation(driver, options, expected):
    check(driver, options)
    assert rotation(driver, options) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, Buffering(1 << 20, drops=False)),
        ({"mode": "blocking"}, Buffering(1 << 20, drops=False)),
        ({"mode": "non-blocking"}, Buffering(1 << 20, drops=True)),
        ({"mode": "non-blocking", "max-buffer-size": "64k"}, Buffering(1 << 16, drops=True)),
    ],
)
def test_buffering(options, expected):
    assert buffering(options) == expected


def test_only_drivers_with_a_file_can_be_read_back():
    assert [name for name in ("json-file", "local", "none", "syslog") if writes_file(name)] == [
        "json-file",
        "local",
    ]
