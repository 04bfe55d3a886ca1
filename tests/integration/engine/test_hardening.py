"""What a container can see and do, looked at from inside, and what hostile ones try from there.

The expected sets are Docker's defaults. Hostile parts are written in busybox's shell.
"""

import io
import json
import socket
import subprocess
import tarfile
import threading
import time
from pathlib import Path

import pytest

from integration.harness import Engine

pytestmark = pytest.mark.integration

DEFAULT_CAPABILITIES = 0x00000000A80425FB
STATUS = "grep -E '^(Cap|NoNewPrivs|Seccomp):|^Cap' /proc/self/status"
MASKED_FILES = ("/proc/kcore", "/proc/keys", "/proc/timer_list")
MASKED_FOLDERS = ("/proc/acpi", "/proc/scsi", "/sys/firmware")
LOCKED = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs")
SWAPS = 60  # of a race: each try a fresh chance


@pytest.fixture(autouse=True)
def _cleaned(engine: Engine):
    yield
    names = engine.docker("ps", "-aq", "--no-trunc").stdout.split()
    if names:
        engine.docker("rm", "-f", "-v", *names)
    volumes = engine.docker("volume", "ls", "-q").stdout.split()
    if volumes:
        engine.docker("volume", "rm", *volumes)


def status(text: str) -> dict[str, int]:
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        found[name] = int(value, 16 if name.startswith("Cap") else 10)
    return found


def is_default(found: dict[str, int]) -> bool:
    return (
        found["CapBnd"] == found["CapPrm"] == found["CapEff"] == DEFAULT_CAPABILITIES
        and found["CapInh"] == found["CapAmb"] == 0  # CVE-2022-24769
        and found["Seccomp"] == 2
    )


def test_capabilities_and_seccomp_are_dockers_in_run_and_exec(engine: Engine):
    engine.docker("run", "-d", "--name", "cc", "busybox", "sleep", "60")
    inside = status(engine.docker("exec", "cc", "sh", "-c", STATUS).stdout)
    own = status(engine.docker("run", "--rm", "busybox", "sh", "-c", STATUS).stdout)
    assert is_default(own)
    assert is_default(inside)
    assert own["NoNewPrivs"] == 0


def test_other_users_have_no_capabilities(engine: Engine):
    engine.docker("run", "-d", "--name", "cc", "busybox", "sleep", "60")
    for found in (
        engine.docker("run", "--rm", "-u", "1000", "busybox", "sh", "-c", STATUS),
        engine.docker("exec", "-u", "daemon", "cc", "sh", "-c", STATUS),
    ):
        sets = status(found.stdout)
        assert [sets[name] for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")] == [0] * 4


def test_privileges_are_given_and_taken_as_asked(engine: Engine):
    run = ("run", "--rm")
    command = ("busybox", "sh", "-c", STATUS)
    none = status(engine.docker(*run, "--cap-drop", "ALL", *command).stdout)
    assert none["CapBnd"] == none["CapEff"] == 0
    one = ("--cap-drop", "ALL", "--cap-add", "NET_RAW")
    assert status(engine.docker(*run, *one, *command).stdout)["CapEff"] == 1 << 13
    locked = engine.docker(*run, "--security-opt", "no-new-privileges", *command).stdout
    assert status(locked)["NoNewPrivs"] == 1
    engine.docker(
        *("run", "-d", "--name", "locked", "--security-opt", "no-new-privileges"),
        *("busybox", "sleep", "60"),
    )
    assert status(engine.docker("exec", "locked", "sh", "-c", STATUS).stdout)["NoNewPrivs"] == 1
    unconfined = engine.docker(*run, "--security-opt", "seccomp=unconfined", *command).stdout
    assert status(unconfined)["Seccomp"] == 0


def test_a_privileged_exec_leaves_the_container_as_it_was(engine: Engine):
    engine.docker("run", "-d", "--name", "cc", "busybox", "sleep", "60")
    more = status(engine.docker("exec", "--privileged", "cc", "sh", "-c", STATUS).stdout)
    assert more["CapEff"] & 1 << 21  # SYS_ADMIN
    assert more["CapInh"] == more["CapAmb"] == 0
    assert is_default(status(engine.docker("exec", "cc", "sh", "-c", STATUS).stdout))


def test_build_steps_have_no_more_than_containers(engine: Engine, tmp_path: Path):
    (tmp_path / "Dockerfile").write_text(
        f"FROM busybox\nRUN {STATUS} > /status; ls -l /proc/self/fd > /fds\n"
    )
    engine.docker("build", "-q", "-t", "step", tmp_path)
    shown = engine.docker("run", "--rm", "step", "cat", "/status").stdout
    assert is_default(status(shown))
    engine.docker("rmi", "-f", "step")


def test_masked_and_locked_paths(engine: Engine):
    script = "; ".join(
        [
            *(f"test ! -e {path} || wc -c < {path}" for path in MASKED_FILES),
            *(f"test ! -e {path} || ls -A {path} | wc -l" for path in MASKED_FOLDERS),
            *(f"test ! -e {path} || touch {path}/x {path} 2>&1 | wc -l" for path in LOCKED),
        ]
    )
    shown = engine.docker("run", "--rm", "busybox", "sh", "-c", script).stdout.split()
    there = sum(Path(path).exists() for path in MASKED_FILES + MASKED_FOLDERS)
    assert shown[:there] == ["0"] * there
    assert "0" not in shown[there:]  # at least one complaint each


def test_what_is_locked_cannot_be_unlocked(engine: Engine):
    script = (
        "touch /sys/x; echo 1 > /proc/sys/kernel/printk; umount /proc/sys;"
        " mount -o remount,rw /proc/sys; mount -o bind / /mnt; :"
    )
    said = engine.docker("run", "--rm", "busybox", "sh", "-c", script).stderr.lower()
    for refusal in (
        "touch: /sys/x: read-only file system",
        "can't create /proc/sys/kernel/printk: read-only file system",
        "umount: can't unmount /proc/sys: operation not permitted",
        "mount: permission denied",
    ):
        assert refusal in said


def test_kernel_calls_that_docker_forbids_are_refused(engine: Engine):
    script = (
        "unshare -U true; unshare -m true; mount -t tmpfs t /tmp; dmesg; mknod /x b 8 0 && cat /x"
    )
    done = engine.docker("run", "--rm", "busybox", "sh", "-c", script, check=False)
    assert done.stderr.count("not permitted") >= 4, done.stderr


# --- descriptors ------------------------------------------------------------------------------


def descriptors(text: str) -> dict[str, str]:
    """Number -> what it is, of `ls -l /proc/self/fd`; without the one that ls itself opened."""
    found = {}
    for line in text.splitlines():
        name, arrow, target = line.rpartition(" -> ")
        if arrow and not target.startswith(("/proc/self/fd", "/proc/")):
            found[name.split()[-1]] = target
    return found


@pytest.mark.parametrize("options", [(), ("-t",), ("-i",), ("-it",), ("--init",)])
def test_only_the_three_standard_descriptors_reach_a_container(engine: Engine, options):
    """CVE-2024-21626: with one of the host's, the host's files are a `cd` away."""
    listing = ("ls", "-l", "/proc/self/fd")
    plain = tuple(option for option in options if option != "-it")
    for option in plain or ("-i",):
        shown = engine.docker("run", "--rm", option, "busybox", *listing).stdout
        assert set(descriptors(shown)) <= {"0", "1", "2"}, shown
    engine.docker("run", "-d", "--name", "cc", *options, "busybox", "sleep", "60")
    shown = engine.docker("exec", "cc", *listing).stdout
    assert set(descriptors(shown)) <= {"0", "1", "2"}, shown
    first = engine.docker("exec", "cc", "ls", "-l", "/proc/1/fd").stdout
    assert set(descriptors(first)) == {"0", "1", "2"}, first


@pytest.mark.parametrize("number", [*range(3, 12), "self"])
def test_no_working_directory_leads_to_the_host(engine: Engine, number):
    path = "/proc/self/cwd" if number == "self" else f"/proc/self/fd/{number}"
    look = (
        "sh",
        "-c",
        "pwd -P; ls -d ../../../../../../../../bin/busybox ./ ; cat ../../../etc/hostname",
    )
    done = engine.docker("run", "--rm", "-w", path, "busybox", *look, check=False)
    engine.docker("run", "-d", "--name", "cc", "busybox", "sleep", "60")
    inside = engine.docker("exec", "-w", path, "cc", *look, check=False)
    here = Path("/etc/hostname").read_text().strip()
    for found in (done, inside):
        if found.returncode == 0:
            assert here not in found.stdout.split()
            assert not found.stdout.startswith(("/run", "/tmp", "/sys", "(unreachable)"))


def test_the_runtime_cannot_be_overwritten_from_inside(engine: Engine):
    """CVE-2019-5736: a process that joins the container must not show the host's program."""
    before = Path("/usr/bin/crun").read_bytes()
    script = (
        "while :; do for p in /proc/[0-9]*; do [ $p = /proc/1 ] || "
        "{ echo '#!/bin/sh' > $p/exe; } 2>/dev/null; done; done"
    )
    engine.docker("run", "-d", "--name", "cc", "busybox", "sh", "-c", script)
    for _ in range(5):
        engine.docker("exec", "cc", "/proc/self/exe", "true", check=False)
        engine.docker("exec", "cc", "true")
    assert Path("/usr/bin/crun").read_bytes() == before


# --- cp -----------------------------------------------------------------------------------------


def hostile_tree(engine: Engine, outside: Path) -> None:
    """A container that makes /srv/spot a directory and a link to the host's by turns."""
    up = "/.." * 12
    script = (
        f"mkdir -p /srv/spot /srv/spare{outside}; cd /srv; while :; do "
        f"mv spot away; ln -s {up}{outside} spot; rm spot; mv away spot; done"
    )
    engine.docker("run", "-d", "--name", "hostile", "busybox", "sh", "-c", script)


def test_cp_into_a_tree_whose_links_change_stays_inside(engine: Engine, tmp_path: Path):
    """CVE-2018-15664."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("the host's")
    (tmp_path / "secret").write_text("from the client")
    hostile_tree(engine, outside)
    for _ in range(SWAPS):
        engine.docker("cp", tmp_path / "secret", "hostile:/srv/spot/secret", check=False)
    assert (outside / "secret").read_text() == "the host's"
    assert [path.name for path in outside.iterdir()] == ["secret"]


def test_cp_out_of_a_tree_whose_links_change_gets_nothing_of_the_host(
    engine: Engine, tmp_path: Path
):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("the host's")
    hostile_tree(engine, outside)
    for _ in range(SWAPS):
        got = engine.docker("cp", "hostile:/srv/spot/secret", "-", check=False)
        assert "the host's" not in got.stdout


def test_cp_of_a_stopped_container_is_not_led_out_by_one_that_shares_its_volume(
    engine: Engine, tmp_path: Path
):
    """The mount point of the second volume lies in the first, which a running container changes."""
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True)
    (tmp_path / "own").write_text("own")
    engine.docker("volume", "create", "shared")
    engine.docker("volume", "create", "second")
    engine.docker("run", "--rm", "-v", "second:/s", "busybox", "touch", "/s/mark")
    script = (
        "mkdir -p /v/spot/sub; cd /v; while :; do "
        f"mv spot away; ln -s {outside} spot; rm spot; mv away spot; done"
    )
    engine.docker("run", "-d", "-v", "shared:/v", "busybox", "sh", "-c", script)
    engine.docker(
        *("create", "--name", "victim", "-v", "shared:/data", "-v", "second:/data/spot/sub"),
        *("busybox", "true"),
    )
    for _ in range(SWAPS // 2):
        engine.docker("cp", "victim:/data/spot/sub", "-", check=False)
        assert list((outside / "sub").iterdir()) == []
        assert str(outside) not in Path("/proc/self/mountinfo").read_text()


def test_nothing_of_a_container_is_loaded_by_the_daemon(engine: Engine, tmp_path: Path):
    """CVE-2019-14271: name service libraries of the container in a process of the host."""
    engine.docker("run", "-d", "--name", "cc", "busybox", "sleep", "60")
    for folder in ("lib", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"):
        for name in ("libnss_files.so.2", "libnss_evil.so.2"):
            target = tmp_path / folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(b"\x7fELF evil")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nsswitch.conf").write_text("passwd: evil\ngroup: evil\n")
    engine.docker("cp", f"{tmp_path}/.", "cc:/")
    engine.docker("cp", "cc:/etc/passwd", "-")
    engine.docker("exec", "-u", "daemon:tty", "cc", "true")
    assert engine.process is not None
    maps = Path(f"/proc/{engine.process.pid}/maps").read_text()
    assert "evil" not in maps
    mapped = {line.split()[-1] for line in maps.splitlines() if str(engine.home) in line}
    assert all("/sampan.db" in path for path in mapped), mapped


# --- volumes and images -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../x", "..", ".", "a/../b", "x\\y", "%2e%2e"])
def test_volume_names_are_no_paths(engine: Engine, name):
    done = engine.docker("volume", "create", name, check=False)
    assert done.returncode != 0
    assert "includes invalid characters" in done.stderr or "too short" in done.stderr
    for host in (
        {"Binds": [f"{name}:/v"]},
        {"Mounts": [{"Type": "volume", "Source": name, "Target": "/v"}]},
    ):
        body = {"Image": "busybox", "HostConfig": host}
        assert "message" in request(engine, "POST", "/v1.45/containers/create", body)
    assert engine.docker("volume", "ls", "-q").stdout == ""
    assert engine.docker("volume", "rm", name, check=False).returncode != 0


def import_image(engine: Engine, name: str, *changes: str) -> None:
    """busybox with a configuration that an image may bring."""
    content = engine.docker("create", "busybox").stdout.strip()
    options = [word for change in changes for word in ("--change", change)]
    engine.docker("commit", *options, content, name)


@pytest.mark.parametrize("path", ["/proc", "/proc/self/attr", "/x/../proc/sys"])
def test_an_image_cannot_mount_over_proc(engine: Engine, path):
    """CVE-2019-16884, CVE-2019-19921."""
    import_image(engine, "evil", f'VOLUME ["{path}"]')
    done = engine.docker("run", "--rm", "evil", "true", check=False)
    assert done.returncode != 0
    assert "/proc" in done.stderr
    engine.docker("rmi", "-f", "evil")


def test_a_working_directory_of_an_image_is_not_one_of_the_host(engine: Engine):
    import_image(engine, "evil", "WORKDIR /proc/self/fd/8")
    done = engine.docker("run", "--rm", "evil", "ls", "../../../etc/hostname", check=False)
    assert done.returncode != 0 or Path("/etc/hostname").read_text() not in done.stdout
    engine.docker("rmi", "-f", "evil")


def subpath_run(engine: Engine, subpath: str) -> "subprocess.CompletedProcess[str]":
    body = {
        "Image": "busybox",
        "Cmd": ["ls", "/data"],
        "HostConfig": {
            "Mounts": [
                {
                    "Type": "volume",
                    "Source": "shared",
                    "Target": "/data",
                    "VolumeOptions": {"Subpath": subpath},
                }
            ]
        },
    }
    made = request(engine, "POST", "/v1.45/containers/create", body)
    assert "Id" in made, made
    return engine.docker("start", "-a", made["Id"], check=False)


def request(engine: Engine, method: str, path: str, body: object) -> dict[str, str]:
    data = json.dumps(body).encode()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(engine.socket))
        head = f"{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\n"
        client.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def test_a_subpath_that_becomes_a_link_is_not_followed_to_the_host(engine: Engine, tmp_path: Path):
    (tmp_path / "secret").touch()
    engine.docker("volume", "create", "shared")
    script = (
        "mkdir -p /v/sub && touch /v/sub/own; cd /v; while :; do "
        f"mv sub away; ln -s {tmp_path} sub; rm sub; mv away sub; done"
    )
    engine.docker("run", "-d", "-v", "shared:/v", "busybox", "sh", "-c", script)
    seen = set()
    for _ in range(SWAPS // 3):
        done = subpath_run(engine, "sub")
        assert "secret" not in done.stdout
        seen.add(done.stdout.strip() or done.stderr.strip())
    assert "own" in seen


def test_filling_a_volume_in_use_writes_nothing_to_the_host(engine: Engine, tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    context = tmp_path / "context"
    (context / "tree").mkdir(parents=True)
    for number in range(200):
        (context / "tree" / f"f{number:03}").write_text("from the image")
    (context / "Dockerfile").write_text("FROM busybox\nCOPY tree /data\n")
    engine.docker("build", "-q", "-t", "filler", context)
    for attempt in range(4):
        volume = f"fresh{attempt}"
        engine.docker("volume", "create", volume)
        planting = f"while :; do ln -s {outside}/f150 /v/f150 2>/dev/null && sleep 9; done"
        engine.docker(
            "run", "-d", "--name", volume, "-v", f"{volume}:/v", "busybox", "sh", "-c", planting
        )
        engine.docker("create", "-v", f"{volume}:/data", "filler")
        assert list(outside.iterdir()) == []
    engine.docker("rm", "-f", *engine.docker("ps", "-aq").stdout.split())
    engine.docker("rmi", "-f", "filler")


def test_other_users_of_the_host_have_no_way_to_a_containers_files(engine: Engine):
    """CVE-2021-41091: setuid programs of images, within reach of everybody."""
    engine.docker("run", "-d", "--name", "cc", "busybox", "sleep", "60")
    engine.home.chmod(0o755)
    identifier = engine.docker("inspect", "-f", "{{.Id}}", "cc").stdout.strip()
    engine.docker("volume", "create", "private")
    volume = engine.docker("volume", "inspect", "-f", "{{.Mountpoint}}", "private").stdout.strip()
    for path in (engine.home / "exec/rootfs" / identifier / "bin/busybox", volume):
        assert Path(path).exists()
        tried = subprocess.run(["test", "-e", path], user=65534, group=65534, check=False)
        assert tried.returncode == 1, path


def test_hostile_layers_stay_in_their_root(engine: Engine, tmp_path: Path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        link = tarfile.TarInfo("etc")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        out.addfile(link)
        member = tarfile.TarInfo("etc/../../../../../../../../" + str(tmp_path / "owned"))
        out.addfile(member)
    engine.docker("import", "-", "evil", stdin=buffer.getvalue())
    container = engine.docker("create", "evil", "x").stdout.strip()
    listed = engine.docker("export", "-o", tmp_path / "out.tar", container)
    assert listed.returncode == 0
    with tarfile.open(tmp_path / "out.tar") as found:
        assert str(tmp_path / "owned").lstrip("/") in found.getnames()  # as dockerd does it
    assert [path.name for path in tmp_path.iterdir()] == ["out.tar"]
    engine.docker("rm", container)
    engine.docker("rmi", "-f", "evil")


def test_a_container_that_asks_the_name_server_a_lot_starves_nobody(engine: Engine):
    """Connections to the daemon's name server are counted: they are descriptors of the daemon."""
    engine.docker("network", "create", "n")
    one = "(sleep 3 | nc 127.0.0.11 53 >/dev/null 2>&1) &"
    script = f"i=0; while [ $i -lt 300 ]; do {one} i=$((i+1)); done; sleep 2"
    assert engine.process is not None
    descriptors_of = Path(f"/proc/{engine.process.pid}/fd")
    most = 0
    worker = threading.Thread(
        target=lambda: engine.docker("run", "--rm", "--network", "n", "busybox", "sh", "-c", script)
    )
    before = sum(1 for _ in descriptors_of.iterdir())
    worker.start()
    while worker.is_alive():
        most = max(most, sum(1 for _ in descriptors_of.iterdir()) - before)
        time.sleep(0.05)
    engine.docker("network", "rm", "n")
    assert most < 200


def test_router_advertisements_are_not_listened_to(engine: Engine):
    engine.docker("network", "create", "--ipv6", "six")
    try:
        shown = engine.docker(
            *("run", "--rm", "--network", "six", "busybox"),
            *("cat", "/proc/sys/net/ipv6/conf/eth0/accept_ra"),
        ).stdout
        bridge = "br-" + engine.docker("network", "inspect", "-f", "{{.Id}}", "six").stdout[:12]
        setting = Path(f"/proc/sys/net/ipv6/conf/{bridge}/accept_ra")
        assert (shown, setting.read_text()) == ("0\n", "0\n")
    finally:
        engine.docker("network", "rm", "six")
