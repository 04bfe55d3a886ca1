"""`sampan setup` on this very machine: what it tries works, and leaves nothing."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from integration.harness import SAMPAN

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
TRACE = re.compile(r"trial[0-9]|sampan_trial|sampan-setup-")


def look(*words: str, **environment: str) -> tuple[int, dict[str, dict[str, str]]]:
    done = subprocess.run(
        [SAMPAN, "setup", "--format", "json", *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert not done.stderr
    return done.returncode, {
        each["Name"]: each for each in map(json.loads, done.stdout.splitlines())
    }


def traces() -> list[str]:
    """Links, rules, mounts, cgroups and folders that carry a trial's names."""
    rules = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True)
    places = (Path("/sys/class/net"), Path("/sys/fs/cgroup"), Path("/var/lib"))
    found = [path.name for place in places for path in place.iterdir()]
    found += [path.name for path in Path("/sys/fs/cgroup").glob("*/*") if path.is_dir()]
    found += Path("/proc/self/mountinfo").read_text().splitlines()
    return [each for each in (*found, *rules.stdout.splitlines()) if TRACE.search(each)]


def test_everything_an_engine_needs_is_tried_and_nothing_stays():
    forwarding = Path("/proc/sys/net/ipv4/conf/all/route_localnet").read_text()
    status, found = look()
    assert status == 0
    for name in ("namespaces", "mount calls", "overlay", "bridge", "veth", "nftables, NAT"):
        assert found[name]["Found"] == "works"
    assert found["vxlan"]["Status"] == found["numgen, reject"]["Status"] == "ok"
    assert found["a container"]["Found"] == "started and ended by crun"
    assert traces() == []
    assert Path("/proc/sys/net/ipv4/conf/all/route_localnet").read_text() == forwarding


def test_without_a_runtime_there_is_no_engine(tmp_path):
    status, found = look(PATH=str(tmp_path))
    assert status == 1
    assert found["crun"]["Status"] == "missing"
    assert found["crun"]["Remedy"].endswith("crun")
    assert "a container" not in found


def test_a_disk_that_can_not_carry_layers_is_refused(tmp_path):
    """An overlay can't be another's upper directory."""
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    options = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    script = 'mount -t overlay overlay -o "$1" "$2" && exec "$3" setup --data-root "$2/data"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", options, tmp_path / "merged", SAMPAN],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "No engine runs here without: data root." in done.stdout
    assert re.search(
        r"^missing +data root .*overlay: mount: Invalid argument", done.stdout, re.MULTILINE
    )


def test_a_daemon_that_can_not_start_says_what_to_install(tmp_path):
    home = tmp_path
    words = ("--data-root", home / "data", "--exec-root", home / "exec", "--pidfile", home / "pid")
    done = subprocess.run(
        [SAMPAN, "daemon", *words, "-H", f"unix://{home}/s.sock", "--bridge", "none"],
        env={"PATH": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 1
    assert re.search(
        r"start failed reason='no OCI runtime found' hint='install it: .*crun'", done.stderr
    )
    assert not (home / "s.sock").exists()
