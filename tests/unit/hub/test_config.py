from pathlib import Path

import pytest

from sampan.hub.config import BadUsage, load

ROOT = ["--root", "/r"]


def test_only_the_root_is_needed():
    config = load(ROOT)
    assert config.address == ("127.0.0.1", 5000)
    assert config.url == "http://127.0.0.1:5000"
    assert config.database == "sqlite:////r/hub.db"
    assert config.accounts
    assert config.root == Path("/r")
    with pytest.raises(BadUsage, match="--root"):
        load([])


def test_flags():
    config = load(
        [
            *ROOT,
            *("--listen", "[::1]:7", "--tls-cert", "c", "--tls-key", "k"),
            *("--lease", "2h", "--untagged-age", "0", "--upload-age", "3d", "--gc-interval", "90"),
            *("--public-url", "https://hub.example/", "--without-accounts"),
        ]
    )
    assert config.address == ("::1", 7)
    assert config.url == "https://hub.example"
    assert (config.lease_s, config.untagged_age_s) == (7200, 0)
    assert (config.upload_age_s, config.gc_interval_s) == (259200, 90)
    assert not config.accounts


@pytest.mark.parametrize(
    "words",
    [
        ["--listen", "5000"],
        ["--listen", "host:http"],
        ["--listen", "host:70000"],
        ["--tls-cert", "c"],
        ["--public-url", "hub.example"],
        ["--storage", "/srv"],
        ["--lease", "59"],
        ["--lease", "1w"],
        ["--lease", "-1h"],
        ["--roo", "/x"],
        ["operand"],
    ],
)
def test_wrong_command_lines(words):
    with pytest.raises(BadUsage):
        load([*ROOT, *words])
