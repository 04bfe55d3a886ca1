"""A task service of its own for each test, with busybox as root file system."""

import asyncio
import secrets
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sampan.linux.cgroups import CgroupLayout, mount_missing
from sampan.runtime.facts import HostFacts
from sampan.runtime.seccomp import default_profile, resolve
from sampan.runtime.spec_builder import SpecInput, SpecNamespaces, build_spec, given_capabilities
from sampan.runtime.tasks import LogTarget, Task, TaskService, TaskSpec
from sampan.wire.containers import HostSettings

BUSYBOX = next(path for path in map(Path, ("/bin/busybox", "/usr/bin/busybox")) if path.exists())


@pytest.fixture(scope="session")
def layout() -> CgroupLayout:
    found, _ = mount_missing(CgroupLayout.detect())
    return found


@pytest.fixture(scope="session")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rootfs")
    for name in ("bin", "proc", "sys", "dev", "etc", "tmp", "root"):
        (root / name).mkdir()
    shutil.copy(BUSYBOX, root / "bin/busybox")
    subprocess.run([BUSYBOX, "--install", "-s", root / "bin"], check=True)
    for link in (root / "bin").iterdir():
        if link.is_symlink():
            link.unlink()
            link.symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nme:x:1000:1000::/:/bin/sh\n")
    (root / "etc/text").write_text("not a program\n")
    return root


class Bench:
    """Makes bundles and task services below one exec root."""

    def __init__(self, root: Path, rootfs: Path, layout: CgroupLayout) -> None:
        self.root = root
        self.layout = layout
        self.group = f"/sampan-test-{secrets.token_hex(4)}"
        self._rootfs = rootfs
        self._facts = HostFacts.detect(layout.docker_version)
        self._specs: list[TaskSpec] = []

    def service(self) -> TaskService:
        return TaskService(self.root, layout=self.layout)

    def spec(
        self, *args: str, host: HostSettings | None = None, log: bool = True, **options: Any
    ) -> TaskSpec:
        name = secrets.token_hex(8)
        state_dir = self.root / "tasks" / name
        bundle = state_dir / "bundle"
        bundle.mkdir(parents=True)
        settings = host or HostSettings()
        wanted = SpecInput(
            host=settings,
            args=args,
            env=("PATH=/bin", "TERM=xterm"),
            rootfs=str(self._rootfs),
            facts=self._facts,
            cgroup_path=f"{self.group}/{name}",
            hostname="box",
            terminal=bool(options.get("terminal")),
            seccomp=resolve(
                default_profile(),
                machine=self._facts.machine,
                capabilities=given_capabilities(settings, self._facts),
                kernel=self._facts.kernel,
            ),
            namespaces=SpecNamespaces(),
        )
        (bundle / "config.json").write_bytes(msgspec.json.encode(build_spec(wanted)))
        spec = TaskSpec(
            id=name,
            bundle=bundle,
            state_dir=state_dir,
            cgroup_path=wanted.cgroup_path,
            log=LogTarget(path=self.root / f"{name}.log") if log else None,
            **options,
        )
        self._specs.append(spec)
        return spec

    def log(self, spec: TaskSpec) -> list[dict[str, Any]]:
        assert spec.log is not None
        return [msgspec.json.decode(row) for row in spec.log.path.read_bytes().splitlines()]

    async def sweep(self) -> None:
        service = self.service()
        for spec in self._specs:
            await service.discard(spec)


@pytest.fixture
def bench(tmp_path: Path, rootfs: Path, layout: CgroupLayout) -> Iterator[Bench]:
    made = Bench(tmp_path, rootfs, layout)
    yield made
    asyncio.run(made.sweep())
    layout.remove(made.group)
    for _ in range(100):  # monitors end by themselves, a moment after their task is deleted
        left = [link for link in Path("/proc").glob("[0-9]*/cwd") if _is_below(link, tmp_path)]
        if not left:
            break
        time.sleep(0.02)
    assert not left, f"processes left behind: {left}"


def _is_below(link: Path, folder: Path) -> bool:
    try:
        return str(link.readlink()).startswith(str(folder))
    except OSError:
        return False


Scenario = Callable[[TaskService], Awaitable[None]]


@pytest.fixture
def run(bench: Bench) -> Callable[[Scenario], None]:
    """Run a coroutine function with a started service that is closed afterwards."""

    def play(scenario: Scenario) -> None:
        async def main() -> None:
            service = bench.service()
            await service.start()
            try:
                await scenario(service)
            finally:
                await service.close()

        asyncio.run(main())

    return play


async def collect(task: Task, **streams: bool) -> Callable[[], Awaitable[bytes]]:
    """Attach now; the function returned reads to the end."""
    chosen = {"stdin": False, "stdout": True, "stderr": True, **streams}
    stream = await task.attach(**chosen)

    async def read() -> bytes:
        found = bytearray()
        while data := await stream.read():
            found += data
        await stream.aclose()
        return bytes(found)

    return read
