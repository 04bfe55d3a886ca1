import re
from pathlib import Path

import pytest

from sampan.lib import needs
from sampan.lib.needs import NEEDS, family, install_command, packages

ROOT = Path(__file__).parents[3]


def release(folder, text):
    path = folder / "os-release"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ID=debian\n", "apt"),
        ('NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n', "apt"),
        ("ID=linuxmint\nID_LIKE='ubuntu debian'\n", "apt"),
        ("ID=fedora\n", "dnf"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "dnf"),
        ("ID=alpine\n", "apk"),
        ("ID=plan9\n", ""),
        ("", ""),
    ],
)
def test_a_distribution_belongs_to_a_family(tmp_path, text, expected):
    assert family(release(tmp_path, text)) == expected


def test_without_os_release_nothing_is_guessed(tmp_path):
    assert family(tmp_path / "none") == ""
    assert needs.GIT.hint(tmp_path / "none") == "install git"


def test_a_hint_is_the_command_of_this_distribution(tmp_path):
    hint = needs.NFTABLES.hint(release(tmp_path, "ID=alpine\n"))
    assert hint == "install it: apk add nftables"


def test_packages_are_named_once():
    assert packages([needs.ETCD, needs.ETCD_RESTORE], "dnf") == ["etcd"]
    command = install_command([needs.ETCD, needs.ETCD_RESTORE, needs.ETCD], "apt")
    assert command[-2:] == ["etcd-server", "etcd-client"]
    assert install_command([needs.MMDEBSTRAP], "apk") == []
    assert install_command([needs.GIT], "") == []


def test_what_no_engine_runs_without_is_packaged_everywhere():
    for need in NEEDS:
        if need.required:
            assert set(need.packages) == {"apt", "dnf", "apk"}


def test_the_setup_script_installs_what_is_basic():
    script = (ROOT / "scripts/setup").read_text()
    listed = re.search(r"^packages=\(([^)]*)\)$", script, re.MULTILINE)[1].split()
    assert set(listed) == set(packages([need for need in NEEDS if need.basic], "apt"))


def test_documents_name_every_package():
    guide = (ROOT / "docs/install.md").read_text()
    for of_family in ("apt", "dnf", "apk"):
        for name in packages(NEEDS, of_family):
            assert re.search(rf"\b{re.escape(name)}\b", guide), f"{of_family}: {name}"
