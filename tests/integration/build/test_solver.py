"""Stages side by side, the cache's account of itself, and caches that travel, with real clients."""

import contextlib
import json
import shutil
import socket
import subprocess
import time
from pathlib import Path

import docker
import pytest

from integration.harness import Engine

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

MEET = "RUN --mount=type=cache,id=meeting-{key},target=/m "
RENDEZVOUS = (
    "touch /m/{mine}; while [ ! -e /m/{other} ]; do sleep 0.02; done; echo {mine} > /{mine}"
)


@pytest.fixture
def build(engine, tmp_path):
    """build(dockerfile, *options, files={...}, on=engine) -> CompletedProcess"""

    def run(dockerfile, *options, files=None, check=True, on=engine):
        context = tmp_path / "context"
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(dockerfile)
        for name, content in (files or {}).items():
            (context / name).write_bytes(content)
        return on.docker("build", *options, context, check=check)

    return run


@pytest.fixture
def buildkit(engine, tmp_path, monkeypatch):
    """As `build`, by `sampan build` over BuildKit's protocol."""
    environment = Engine._environment

    def without_switch(self):
        return {name: v for name, v in environment(self).items() if name != "DOCKER_BUILDKIT"}

    def run(dockerfile, *options, files=None, check=True, on=engine):
        context = tmp_path / "context"
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(dockerfile)
        for name, content in (files or {}).items():
            (context / name).write_bytes(content)
        with monkeypatch.context() as patch:
            patch.setattr(Engine, "_environment", without_switch)
            return on.sampan("build", "--progress", "plain", *options, context, check=check)

    return run


def forget(engine, *names):
    engine.docker("builder", "prune", "-af")
    engine.docker("rmi", *names)


def records(engine):
    found = engine.docker("system", "df", "-v", "--format", "{{json .BuildCache}}").stdout
    return json.loads(found) or []


# --- side by side -----------------------------------------------------------------------------


def test_independent_stages_run_at_the_same_time_and_are_told_in_order(build, engine, tmp_path):
    """Each waits for the other: one after the other they would never end."""
    meet = MEET.format(key=tmp_path.name)
    dockerfile = (
        f"FROM busybox AS a\n{meet}{RENDEZVOUS.format(mine='a', other='b')}\n"
        f"FROM busybox AS b\n{meet}{RENDEZVOUS.format(mine='b', other='a')}\n"
        "FROM busybox\nCOPY --from=b /b /\nCOPY --from=a /a /\nRUN cat /a /b\n"
    )
    done = build(dockerfile, "-t", "t-parallel")
    steps = [line for line in done.stdout.splitlines() if line.startswith("Step ")]
    assert [line.split()[1] for line in steps] == [f"{number}/8" for number in range(1, 9)]
    assert engine.docker("run", "--rm", "t-parallel", "cat", "/a", "/b").stdout == "a\nb\n"


def test_a_failing_stage_ends_the_others_and_nothing_stays(build, engine, tmp_path):
    meet = MEET.format(key=tmp_path.name)
    dockerfile = (
        f"FROM busybox AS a\n{meet}touch /m/ready; sleep 7642\n"
        f"FROM busybox AS b\n{meet}while [ ! -e /m/ready ]; do sleep 0.02; done; exit 7\n"
        "FROM busybox\nCOPY --from=a /x /\nCOPY --from=b /y /\n"
    )
    failed = build(dockerfile, check=False)
    assert failed.returncode == 7
    assert "Step 4/7 : RUN" in failed.stdout
    assert "exit 7' returned a non-zero code: 7" in failed.stderr
    _check_gone(engine, "sleep 7642")


def test_what_the_target_does_not_need_is_not_done(build):
    dockerfile = "FROM busybox AS a\nRUN exit 9\nFROM busybox AS b\nRUN echo fine\nFROM a\nRUN x\n"
    done = build(dockerfile, "--target", "b", "--no-cache")
    assert "exit 9" not in done.stdout
    assert "Step 2/2 : RUN echo fine" in done.stdout


def _check_gone(engine, command):
    deadline = time.monotonic() + 10
    while (
        subprocess.run(["pgrep", "-f", f"{command}$"], capture_output=True, check=False).stdout
        or list((engine.home / "data" / "tmp").glob("build-*"))
        or f"{engine.home}/data/tmp" in Path("/proc/self/mountinfo").read_text()
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)


# --- the cache --------------------------------------------------------------------------------


def test_image_with_a_crafted_history_is_no_cache(build, engine, tmp_path):
    """CVE-2024-24557: it claims to be what the step makes of the base, and is the newest."""
    dockerfile = "FROM busybox\nRUN echo good > /x\n"
    build(dockerfile, "-t", "t-honest")
    engine.docker("rmi", "t-honest")
    engine.docker("builder", "prune", "-af")
    context = tmp_path / "evil"
    context.mkdir()
    (context / "x").write_text("evil\n")
    (context / "Dockerfile").write_text("FROM busybox\nCOPY x /x\n")
    engine.docker("build", "-t", "t-evil", context)
    saved, unpacked = tmp_path / "evil.tar", tmp_path / "unpacked"
    engine.docker("save", "-o", saved, "t-evil")
    shutil.unpack_archive(saved, unpacked)
    manifest = json.loads((unpacked / "manifest.json").read_text())
    path = unpacked / manifest[0]["Config"]
    config = json.loads(path.read_text())
    said = ["/bin/sh", "-c", "echo good > /x"]
    config["history"][-1]["created_by"] = " ".join(said)
    config["container_config"] = {**config["config"], "Cmd": said}
    config["parent"] = engine.docker("inspect", "-f", "{{.Id}}", "busybox").stdout.strip()
    (unpacked / "evil.json").write_text(json.dumps(config))
    manifest[0]["Config"] = "evil.json"
    (unpacked / "manifest.json").write_text(json.dumps(manifest))
    (unpacked / "index.json").unlink(missing_ok=True)
    crafted = shutil.make_archive(str(tmp_path / "crafted"), "tar", unpacked)
    engine.docker("rmi", "t-evil")
    engine.docker("load", "-i", crafted)
    for options in ((), ("--cache-from", "t-evil")):
        done = build(dockerfile, "-t", "t-honest", *options)
        assert "Using cache" not in done.stdout
        assert engine.docker("run", "--rm", "t-honest", "cat", "/x").stdout == "good\n"
        forget(engine, "t-honest")
    engine.docker("rmi", "t-evil")


def test_no_cache_of_one_stage_only(buildkit):
    dockerfile = "FROM busybox AS a\nRUN echo a > /a\nFROM busybox\nCOPY --from=a /a /\nRUN date\n"
    buildkit(dockerfile, "-t", "t-filter")
    again = buildkit(dockerfile, "-t", "t-filter", "--no-cache-filter", "stage-1,1").stderr
    assert "[a 2/2] RUN echo a > /a" in again
    assert again.count("CACHED") == 1


def test_squash_is_one_layer_with_the_whole_history(build, engine, tmp_path):
    dockerfile = (
        "FROM busybox\nRUN echo 1 > /a; echo 1 > /b; mkdir /d; touch /d/x\n"
        "RUN rm /b; rm -r /d; mkdir /d; touch /d/y; rm /bin/vi\nENV A=b\n"
    )
    build(dockerfile, "-t", "t-plain")
    client = docker.DockerClient(base_url=engine.host)
    client.images.build(path=str(tmp_path / "context"), tag="t-squashed", squash=True)
    client.close()
    layers = "{{len .RootFS.Layers}}"
    assert engine.docker("inspect", "-f", layers, "t-squashed").stdout == "2\n"
    script = "ls /a /b /d/* /bin/vi 2>&1; echo $A"
    expected = engine.docker("run", "--rm", "t-plain", "sh", "-c", script).stdout
    assert engine.docker("run", "--rm", "t-squashed", "sh", "-c", script).stdout == expected
    history = engine.docker("history", "--no-trunc", "--format", "{{.Comment}}", "t-squashed")
    assert history.stdout.startswith("merge sha256:")
    assert len(history.stdout.splitlines()) == 5
    engine.docker("rmi", "t-plain", "t-squashed")


def test_prune_takes_what_is_private_and_keeps_the_users_images(build, engine):
    engine.docker("builder", "prune", "-af")
    dockerfile = (
        "FROM busybox AS tools\nRUN head -c 2000000 /dev/urandom > /tool\n"
        "FROM busybox\nCOPY --from=tools /bin/busybox /b\nRUN true > /f\n"
    )
    build(dockerfile, "-t", "t-prune")
    unnamed = build("FROM busybox\nRUN echo mine > /mine\n", "-q").stdout.strip()
    shared = {row["Description"]: row["Shared"] for row in records(engine)}
    assert shared["RUN head -c 2000000 /dev/urandom > /tool"] == "false"
    assert shared["RUN true > /f"] == "true"
    assert shared["RUN echo mine > /mine"] == "true"
    pruned = engine.docker("builder", "prune", "-f").stdout
    assert "Total reclaimed space: 4.0" in pruned  # as a layer, and as a blob
    assert "RUN head" not in str(records(engine))
    engine.docker("builder", "prune", "-af")
    assert records(engine) == []
    assert engine.docker("run", "--rm", "t-prune", "ls", "/f").stdout == "/f\n"
    assert engine.docker("run", "--rm", unnamed, "cat", "/mine").stdout == "mine\n"
    again = build(dockerfile, "-t", "t-prune").stdout
    assert "Using cache" not in again
    engine.docker("rmi", "t-prune", unnamed)


def test_a_step_that_was_used_is_counted(build, engine):
    engine.docker("builder", "prune", "-af")
    for _ in range(3):
        build("FROM busybox\nRUN echo counted > /f\n", "-t", "t-count")
    (row,) = records(engine)
    assert row["UsageCount"] == "2"
    pruned = engine.docker("builder", "prune", "-af", "--filter", "until=24h").stdout
    assert "Total reclaimed space: 0B" in pruned
    assert len(records(engine)) == 1
    forget(engine, "t-count")


# --- caches that travel -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def other_engine():
    engine = Engine()
    engine.start()
    yield engine
    engine.destroy()
    engine.check_nothing_is_left()


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """HOST:PORT of a docker-registry process."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry isn't installed")
    root = tmp_path_factory.mktemp("registry")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"
    (root / "config.yml").write_text(
        f"version: 0.1\nlog: {{level: error}}\nhttp: {{addr: '{host}'}}\n"
        f"storage: {{filesystem: {{rootdirectory: '{root}/data'}}}}\n"
    )
    with (root / "log").open("w") as log:
        process = subprocess.Popen([program, "serve", root / "config.yml"], stdout=log, stderr=log)
    deadline = time.monotonic() + 10
    while True:
        with contextlib.suppress(OSError), socket.create_connection(host.split(":")):
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield host
    process.terminate()
    process.wait()


@pytest.fixture(scope="module")
def base(engine, other_engine, registry):
    """One base image for both engines."""
    name = f"{registry}/base:1"
    engine.docker("tag", "busybox", name)
    engine.docker("push", name)
    other_engine.docker("pull", name)
    yield name
    engine.docker("rmi", name)
    other_engine.docker("rmi", name)


def travelling(base):
    """Random content: it comes out the same only if it was not made anew."""
    return (
        f"FROM {base} AS tools\nRUN head -c 100000 /dev/urandom > /tool\n"
        f"FROM {base}\nENV A=b\nCOPY f /f\nCOPY --from=tools /tool /\n"
        "RUN head -c 9 /dev/urandom | md5sum > /x\n"
    )


FILES = {"f": b"content\n"}


@pytest.fixture(params=["registry", "local"])
def place(request, registry, tmp_path):
    """Options of --cache-to and --cache-from."""
    if request.param == "registry":
        name = f"type=registry,ref={registry}/cache:1"
        return f"{name},mode=max", name
    return f"type=local,dest={tmp_path}/cache,mode=max", f"type=local,src={tmp_path}/cache"


def test_cache_export_and_import(buildkit, engine, other_engine, base, place):
    target, source = place
    dockerfile = travelling(base)
    buildkit(dockerfile, "-t", "t-far", "--cache-to", target, files=FILES)
    made = engine.docker("inspect", "-f", "{{.Id}}", "t-far").stdout
    forget(engine, "t-far")
    for where in (engine, other_engine):
        done = buildkit(dockerfile, "-t", "t-far", "--cache-from", source, on=where)
        assert done.stderr.count("CACHED") == 4, done.stderr
        assert where.docker("inspect", "-f", "{{.Id}}", "t-far").stdout == made
        assert where.docker("run", "--rm", "t-far", "cat", "/f").stdout == "content\n"
        forget(where, "t-far")


def test_a_linked_layer_of_an_imported_cache_is_taken_to_another_base(
    buildkit, engine, other_engine, base, place
):
    target, source = place
    linked = "COPY --link f /new/folder/\n"
    buildkit(f"FROM {base}\n{linked}", "-t", "t-linked", "--cache-to", target, files=FILES)
    shape = ("inspect", "-f", '{{join .RootFS.Layers " "}}', "t-linked")
    made = engine.docker(*shape).stdout.split()
    forget(engine, "t-linked")
    other = f"FROM {base}\nRUN head -c 9 /dev/urandom > /x\n{linked}"
    for where in (engine, other_engine):
        done = buildkit(other, "-t", "t-linked", "--cache-from", source, on=where)
        assert done.stderr.count("CACHED") == 1, done.stderr
        assert where.docker(*shape).stdout.split()[-1] == made[-1]
        read = where.docker("run", "--rm", "t-linked", "cat", "/new/folder/f")
        assert read.stdout == "content\n"
        forget(where, "t-linked")


def test_inline_cache_of_a_pulled_image(build, engine, other_engine, registry, base):
    name = f"{registry}/inline:1"
    dockerfile = travelling(base)
    build(dockerfile, "-t", name, "--build-arg", "BUILDKIT_INLINE_CACHE=1", files=FILES)
    engine.docker("push", name)
    other_engine.docker("pull", name)
    read = ("run", "--rm", name, "cat", "/x")
    again = build(dockerfile, "-t", "t-again", "--cache-from", name, on=other_engine)
    # The other stage isn't in it: its tool comes out different, and so does what follows.
    assert again.stdout.count("Using cache") == 2
    assert other_engine.docker(*read).stdout == engine.docker(*read).stdout
    forget(other_engine, "t-again", name)
    forget(engine, name)


def test_cache_whose_layers_are_not_what_they_should_be_is_not_used(
    buildkit, engine, base, tmp_path
):
    folder = tmp_path / "cache"
    dockerfile = f"FROM {base}\nRUN echo once > /once\n"
    buildkit(dockerfile, "-t", "t-bad", "--cache-to", f"type=local,dest={folder}")
    forget(engine, "t-bad")
    index = json.loads((folder / "index.json").read_text())
    blobs = folder / "blobs"
    manifest = json.loads((blobs / index["manifests"][0]["digest"].replace(":", "/")).read_text())
    (blobs / manifest["layers"][0]["digest"].replace(":", "/")).write_bytes(b"something else")
    done = buildkit(dockerfile, "-t", "t-bad", "--cache-from", f"type=local,src={folder}")
    assert "CACHED" not in done.stderr
    assert engine.docker("run", "--rm", "t-bad", "cat", "/once").stdout == "once\n"
    forget(engine, "t-bad")


def test_cache_that_can_not_be_had_is_passed_over(buildkit, engine, tmp_path):
    done = buildkit(
        "FROM busybox\nRUN echo absent\n",
        *("-t", "t-absent", "--cache-from", f"type=local,src={tmp_path}/nothing"),
    )
    assert "is not used" in done.stderr
    failed = buildkit("FROM busybox\n", "--cache-to", "type=gha", check=False)
    assert "build caches of type gha are not supported" in failed.stderr
    forget(engine, "t-absent")
