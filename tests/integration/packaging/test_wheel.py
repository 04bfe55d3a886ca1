"""sdist and wheel as users get them: built, installed far from the tree, and run from there.

The wheel is built from the sdist, so both are whole. Its libraries come from the tree's own
environment by one line in a .pth: nothing is downloaded.
"""

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration import harness
from integration.hub import hubs

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.timeout(120)  # whichever test is first builds and installs


@dataclass(frozen=True)
class Installed:
    """`program` is the installed `sampan`, `python` the interpreter beside it."""

    sdist: Path
    wheel: Path
    program: Path

    @property
    def python(self) -> Path:
        return self.program.with_name("python")

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return _run(self.program, *words)


def _run(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        list(map(str, words)), capture_output=True, text=True, check=False, cwd="/", timeout=100
    )
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Installed:
    home = tmp_path_factory.mktemp("installed")
    _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", home / "dist", ROOT)
    (sdist,) = (home / "dist").glob("*.tar.gz")
    (wheel,) = (home / "dist").glob("*.whl")
    _run(sys.executable, "-m", "venv", "--without-pip", home / "venv")
    python = home / "venv/bin/python"
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    _run(*pip, "install", "--quiet", "--no-index", "--no-deps", "--no-compile", wheel)
    own = _run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout
    (Path(own.strip()) / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return Installed(sdist, wheel, python.with_name("sampan"))


@pytest.fixture(scope="module")
def engine(installed) -> Iterator[harness.Engine]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness, "SAMPAN", installed.program)
        engine = harness.Engine()
        engine.start()
        engine.import_busybox()
        yield engine
        engine.destroy()
        engine.check_nothing_is_left()


@pytest.fixture
def hub(installed, tmp_path, monkeypatch) -> Iterator[hubs.Hub]:
    monkeypatch.setattr(hubs, "SAMPAN", installed.program)
    hub = hubs.Hub(tmp_path, "--log-level", "info")
    hub.start()
    yield hub
    hub.stop()


def test_the_wheel_has_every_file_of_the_package(installed):
    source = ROOT / "src"
    ours = {
        str(path.relative_to(source))
        for path in (source / "sampan").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"sampan/setup/units/sampan.service", "sampan/hub/web/static/hub.css"} <= ours
    packed = set(zipfile.ZipFile(installed.wheel).namelist())
    assert ours <= packed, sorted(ours - packed)
    assert any(name.endswith("/scripts/sampan") for name in packed)


def test_the_sdist_has_the_sources_and_nothing_of_the_machine(installed):
    with tarfile.open(installed.sdist) as packed:
        names = packed.getnames()
    inside = {name.partition("/")[2] for name in names}
    assert {"pyproject.toml", "README.md", "packaging/sampan", "docs/install.md"} <= inside
    stray = (".venv", ".cache", ".git", "__pycache__")
    assert not [name for name in inside if name.split("/")[0] in stray or "__pycache__" in name]


def test_the_installed_program_is_far_from_the_tree(installed):
    code = "import sampan; print(sampan.__file__)"
    where = _run(installed.python, "-c", code).stdout
    assert str(ROOT) not in where
    assert str(installed.program.parents[1]) in where
    assert installed.run("--version").stdout.startswith("Sampan version ")
    assert "complete -F _sampan" in installed.run("completion", "bash").stdout


def test_containers_run(engine):
    assert "Engine" in engine.sampan("version").stdout
    done = engine.sampan("run", "--rm", "busybox", "cat", "/proc/self/status")
    assert re.search(r"^Seccomp:\s+2$", done.stdout, re.MULTILINE)  # the profile was found
    engine.docker("run", "-d", "--name", "stays", "busybox", "sleep", "60")
    engine.restart()
    assert engine.sampan("exec", "stays", "echo", "here").stdout == "here\n"


def test_a_compose_project_is_read_with_its_schema(installed, tmp_path):
    (tmp_path / "compose.yaml").write_text("services: {web: {image: busybox}}\n")
    done = installed.run("compose", "-f", str(tmp_path / "compose.yaml"), "config")
    assert "image: busybox" in done.stdout


def test_the_hub_has_its_pages_and_their_style(hub):
    page = hub.call("GET", "/")
    assert page.status == 200
    style = re.search(rb'href="(/static/hub\.css[^"]*)"', page.body)
    answer = hub.call("GET", style[1].decode())
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/css")
    assert answer.body == (ROOT / "src/sampan/hub/web/static/hub.css").read_bytes()


def test_setup_tries_this_machine_from_there(installed):
    done = installed.run("setup", "--format", "json")
    found = {each["Name"]: each for each in map(json.loads, done.stdout.splitlines())}
    assert found["overlay"]["Found"] == found["bridge"]["Found"] == "works"
    assert found["crun"]["Status"] == "ok"


def test_units_start_the_installed_program(installed, tmp_path):
    code = (
        "import sys; from pathlib import Path; from sampan.setup import service;"
        "command = service.own_command(sys.argv[1], sys.executable);"
        "print(*service.write(service.SYSTEMD, command, Path(sys.argv[2])), sep='\\n')"
    )
    done = _run(installed.python, "-c", code, installed.program, tmp_path)
    written = [Path(line) for line in done.stdout.splitlines()]
    assert [path.name for path in written] == ["sampan.service", "sampan.socket"]
    assert f"\nExecStart={installed.program} daemon -H fd://\n" in written[0].read_text()
    assert os.access(installed.program, os.X_OK)
