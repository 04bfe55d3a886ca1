"""Many clients at once: everything happens once, and to all of it something sensible."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from integration.harness import Engine, busybox_rootfs
from integration.scripted_registry import Handler, ScriptedRegistry, layer_tar
from integration.wholeness import flaws

Result = TypeVar("Result")

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


@pytest.fixture
def engine(file_engine: Engine) -> Iterator[Engine]:
    """What a test leaves in it is an error."""
    yield file_engine
    names = file_engine.docker("ps", "-aq").stdout.split()
    if names:
        file_engine.docker("rm", "-f", "-v", *names)
    file_engine.docker("image", "prune", "-f")
    assert file_engine.docker("images", "--format", "{{.Repository}}").stdout == "busybox\n"
    deadline = time.monotonic() + 5
    while (found := flaws(file_engine)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found == []
    assert "Traceback" not in file_engine.log.read_text()


def _at_once(works: Sequence[Callable[[], Result]]) -> list[Result]:
    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(work) for work in works]]


def test_twenty_runs_side_by_side_are_all_well(engine: Engine):
    def run(number: int) -> str:
        argv = ("run", "--rm", "-p", "127.0.0.1:0:80", "busybox", "sh", "-c")
        return engine.docker(*argv, f"hostname -i; echo {number}").stdout

    outputs = _at_once([lambda number=number: run(number) for number in range(20)])
    answers = [output.split() for output in outputs]
    assert [answer[1] for answer in answers] == [str(number) for number in range(20)]
    assert engine.docker("ps", "-aq").stdout == ""


def test_twenty_containers_have_addresses_of_their_own(engine: Engine):
    argv = ("run", "-d", "busybox", "sleep", "100")
    names = [run.stdout.strip() for run in _at_once([lambda: engine.docker(*argv)] * 20)]
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    addresses = engine.docker("inspect", "-f", form, *names).stdout.split()
    assert len(set(addresses)) == 20


def test_one_name_is_given_once(engine: Engine):
    argv = ("create", "--name", "same", "busybox", "true")
    results = _at_once([lambda: engine.docker(*argv, check=False).returncode] * 10)
    assert sorted(results) == [0] + [1] * 9


def test_one_host_port_is_given_once(engine: Engine):
    engine.docker("create", "--name", "first", "-p", "127.0.0.1:0:80", "busybox", "sleep", "100")
    engine.docker("start", "first")
    port = engine.docker("port", "first", "80").stdout.rpartition(":")[2].strip()
    engine.docker("rm", "-f", "first")
    argv = ("run", "-d", "-p", f"127.0.0.1:{port}:80", "busybox", "sleep", "100")
    results = _at_once([lambda: engine.docker(*argv, check=False)] * 6)
    assert sorted(done.returncode for done in results) == [0, 125, 125, 125, 125, 125]
    assert all("port" in done.stderr for done in results if done.returncode)


@pytest.mark.parametrize("rounds", [3])
def test_start_stop_and_rm_of_one_container_never_meet(engine: Engine, rounds: int):
    """Each may be refused, none may break: in the end it is gone or whole."""
    for _ in range(rounds):
        engine.docker("create", "--name", "same", "busybox", "sleep", "100")
        verbs = [("start",), ("stop", "-t", "0"), ("rm", "-f"), ("kill",), ("restart", "-t", "0")]
        works = [lambda verb=verb: engine.docker(*verb, "same", check=False) for verb in verbs * 3]
        _at_once(works)
        engine.docker("rm", "-f", "same", check=False)
        assert engine.docker("ps", "-aq").stdout == ""


def test_pulls_of_one_image_download_each_blob_once(engine: Engine):
    gathered = threading.Event()

    def slowly(handler: Handler, blob: bytes) -> None:
        gathered.wait(20)
        handler.answer(blob)

    with ScriptedRegistry() as registry:
        name = registry.add("app", busybox_rootfs(), layer_tar({"big": os.urandom(1 << 20)}))
        for digest in registry.layers_of("app"):
            registry.faults[digest] = slowly
        threading.Timer(1.5, gathered.set).start()
        results = _at_once([lambda: engine.docker("pull", name, check=False)] * 8)
        assert {done.returncode for done in results} == {0}
        assert set(registry.fetched.values()) == {1}
    engine.docker("rmi", name)


def test_pulls_of_images_that_share_a_layer_download_it_once(engine: Engine):
    with ScriptedRegistry() as registry:
        shared = layer_tar({"shared": os.urandom(1 << 20)})
        names = [
            registry.add(f"app{number}", shared, layer_tar({"own": b"%d" % number}))
            for number in range(5)
        ]
        _at_once([lambda name=name: engine.docker("pull", name) for name in names])
        assert registry.fetched[registry.layers_of("app0")[0]] == 1
    engine.docker("rmi", *names)


def test_a_pull_goes_on_when_one_of_two_clients_leaves(engine: Engine):
    leaving, left = threading.Event(), threading.Event()

    def slowly(handler: Handler, blob: bytes) -> None:
        handler.begin(len(blob))
        handler.wfile.write(blob[:1000])
        handler.wfile.flush()
        leaving.set()
        left.wait(20)
        handler.wfile.write(blob[1000:])

    with ScriptedRegistry() as registry:
        name = registry.add("app", layer_tar({"big": os.urandom(1 << 20)}))
        registry.faults[registry.layers_of("app")[0]] = slowly
        with engine.client("pull", name) as first:
            assert leaving.wait(10)
            second = threading.Thread(target=engine.docker, args=("pull", name))
            second.start()
            time.sleep(0.5)
            first.kill()
        left.set()
        second.join()
        assert set(registry.fetched.values()) == {1}
    engine.docker("rmi", name)


def test_removal_and_use_of_an_image_do_not_tear_it(engine: Engine):
    """`rmi` against `run`, `pull`-free: each wins or loses, what is left is whole."""
    engine.docker("tag", "busybox", "other")
    for _ in range(3):
        engine.docker("import", "-", "victim", stdin=busybox_rootfs())
        _at_once(
            [
                lambda: engine.docker("run", "--rm", "victim", "true", check=False),
                lambda: engine.docker("rmi", "-f", "victim", check=False),
                lambda: engine.docker("create", "victim", "true", check=False),
                lambda: engine.docker("image", "prune", "-f", check=False),
            ]
        )
        for name in engine.docker("ps", "-aq").stdout.split():
            engine.docker("start", "-a", name)
            engine.docker("rm", name)
        engine.docker("rmi", "-f", "victim", check=False)
    engine.docker("rmi", "other")


def test_builds_of_one_context_side_by_side_agree(engine: Engine, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo one > /one\nCOPY . /two\n")
    works = [
        lambda number=number: engine.docker("build", "-t", f"built:{number}", tmp_path)
        for number in range(4)
    ]
    _at_once(works)
    for number in range(4):
        out = engine.docker("run", "--rm", f"built:{number}", "cat", "/one").stdout
        assert out == "one\n"
    engine.docker("rmi", *(f"built:{number}" for number in range(4)))
