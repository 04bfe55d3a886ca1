"""After a restart of the daemon: bring the records and the machine together again.

For every container, in the order of creation (a shared namespace's owner comes first)::

    task lives               adopt it: networks, ports, root mount, health, its end
    task ended meanwhile     handle that end as usual (die, policy, AutoRemove)
    neither, record says up  the machine was rebooted: it ended, 137
    not running              AutoRemove removes it; its policy may start it
    removing                 finish the removal

Then whatever no record names goes: homes, snapshots, mounts, task folders, anonymous volumes. Every
step is safe to repeat, since the daemon may die here too.
"""

import logging
import shutil
from contextlib import suppress

from sampan.engine.containers import record
from sampan.engine.containers.eraser import Eraser
from sampan.engine.containers.exits import Exits
from sampan.engine.containers.image_mounts import ImageMounts
from sampan.engine.containers.live import Background
from sampan.engine.containers.networking import Networking
from sampan.engine.containers.paths import ContainerPaths
from sampan.engine.containers.record import Container
from sampan.engine.containers.registry import ContainerRegistry
from sampan.engine.containers.rootfs import RootFilesystems
from sampan.engine.containers.shm import SharedMemory
from sampan.engine.containers.start import Starter
from sampan.engine.containers.task_files import TaskFiles
from sampan.errors import NotFound, SampanError
from sampan.lib import gotime
from sampan.lib.ids import ContainerId
from sampan.lib.log import fields
from sampan.lib.workers import Workers
from sampan.runtime import restart
from sampan.runtime.restart import Decision
from sampan.runtime.tasks import ExitStatus, Task, TaskService, TaskSpec
from sampan.volumes.store import VolumeStore

log = logging.getLogger(__name__)

REBOOTED = 137  # nobody saw the end: as if killed


class Restorer:
    def __init__(
        self,
        *,
        registry: ContainerRegistry,
        tasks: TaskService,
        task_files: TaskFiles,
        exits: Exits,
        eraser: Eraser,
        starter: Starter,
        networking: Networking,
        rootfs: RootFilesystems,
        shm: SharedMemory,
        images: ImageMounts,
        volumes: VolumeStore,
        paths: ContainerPaths,
        background: Background,
        workers: Workers,
    ) -> None:
        self._registry = registry
        self._tasks = tasks
        self._task_files = task_files
        self._exits = exits
        self._eraser = eraser
        self._starter = starter
        self._networking = networking
        self._rootfs = rootfs
        self._shm = shm
        self._images = images
        self._volumes = volumes
        self._paths = paths
        self._background = background
        self._workers = workers

    async def restore(self) -> None:
        """Once, after the registry was loaded and networking started, before clients are served."""
        running: set[ContainerId] = set()
        starts: list[tuple[Container, Decision]] = []
        await self._workers.run(self._remake_homes)
        for container in self._registry.list():
            try:
                decision = await self._restore(container, running)
            except SampanError:
                log.exception("container not restored id=%s", container.id)
                continue
            if decision is not None and decision.restart:
                starts.append((container, decision))
        await self._networking.finish_restore()
        await self._workers.run(self._clean_files, running)
        await self._discard_tasks(running)
        for container, decision in starts:
            self._background.spawn(
                self._start_again(container.id, decision.delay_s), what=f"restart {container.id}"
            )

    async def _start_again(self, identifier: ContainerId, delay_s: float) -> None:
        """One that was restarting goes on with that; one at rest is started for the boot."""
        container = self._registry.find(identifier)
        if container is not None and container.state.restarting:
            await self._starter.restart_after(identifier, delay_s)
        else:
            work = self._starter.start_at_boot(identifier)
            await self._background.finish(work, what=f"start {identifier}")

    async def _restore(self, container: Container, running: set[ContainerId]) -> Decision | None:
        spec = self._task_files.spec(container)
        found = await self._tasks.adopt(container.id, spec)
        if isinstance(found, Task):
            if not await self._adopt(container, found):
                return await self._at_rest(container)
            running.add(container.id)
            return None
        if isinstance(found, ExitStatus) and self._is_new(container, found):
            return await self._ended(container, spec, found)
        if container.state.pid:
            status = ExitStatus(REBOOTED, gotime.now_ns())
            return await self._ended(container, spec, status, seen=False)
        return await self._at_rest(container)

    def _is_new(self, container: Container, status: ExitStatus) -> bool:
        """The end isn't in the record yet; also of a run whose start wasn't committed."""
        return status.exited_ns > container.state.finished_ns

    # --- running ----------------------------------------------------------------------------------

    async def _adopt(self, container: Container, task: Task) -> bool:
        if not container.state.pid:
            # launched, but the start was never committed: nobody was told that it runs
            log.info(fields("container.start_undone", id=container.id))
            await task.kill(9)
            await task.wait()
            await task.delete()
            await self._undone(container)
            return False
        self._rootfs.adopt(container.id)
        try:
            await self._networking.restore(container)
        except NotFound as error:
            log.warning(fields("container.network_lost", id=container.id, why=error.message))
        if container.state.paused:
            with suppress(SampanError):
                await task.pause()  # see pause.py: it may have been caught in between
        log.info(fields("container.adopted", id=container.id, pid=task.pid))
        self._starter.follow(container, task)
        return True

    # --- ended ------------------------------------------------------------------------------------

    async def _ended(
        self, container: Container, spec: TaskSpec, status: ExitStatus, *, seen: bool = True
    ) -> Decision | None:
        """A run that its policy began counts, committed or not: nobody else would go on."""
        if not container.state.pid and not container.state.restarting:
            # its start was never committed, nor seen by anybody
            await self._undone(container)
            await self._tasks.discard(spec)
            return await self._at_rest(container)
        decision = await self._exits.handle(container.id, None, status)
        await self._tasks.discard(spec)
        if seen or container.id not in self._registry:
            return decision
        present = self._registry.get(container.id)
        return _at_start(present, was_running=True)

    async def _undone(self, container: Container) -> None:
        """Who asked for the start has gone with the old daemon: nobody else would remove it."""
        if container.auto_remove:
            await self._eraser.erase(container, volumes=True)

    async def _at_rest(self, container: Container) -> Decision | None:
        if container.id not in self._registry:  # gone with its start
            return None
        if container.state.removing or (container.auto_remove and container.state.started_ns):
            await self._eraser.erase(container, volumes=container.auto_remove)
            return None
        decision = _at_start(container, was_running=container.state.restarting)
        if container.state.restarting and not decision.restart:
            await self._registry.update(container.id, record.restart_given_up)
        return decision if container.state.started_ns else None

    # --- leftovers --------------------------------------------------------------------------------

    def _remake_homes(self) -> None:
        """A power cut may take the newest ones: they aren't synced, as creating must be quick."""
        self._paths.homes.mkdir(parents=True, exist_ok=True, mode=0o711)
        for container in self._registry.list():
            with suppress(OSError):  # a full disk: this one can't be started, all others can
                self._paths.home(container.id).mkdir(exist_ok=True, mode=0o710)

    def _clean_files(self, running: set[ContainerId]) -> None:
        """Mounts first, then what they hold. Blocks."""
        self._rootfs.clean(running)
        self._shm.clean(running)
        self._images.clean(running)
        for snapshot in list(self._rootfs.snapshots.walk()):
            ours = not snapshot.committed and is_container_key(snapshot.key)
            if ours and snapshot.key not in self._registry:
                self._rootfs.snapshots.remove(snapshot.key)
        for home in self._paths.homes.iterdir():
            if home.name not in self._registry:
                shutil.rmtree(home, ignore_errors=True)
        self._volumes.sweep(
            {one.id for one in self._registry.list()}, self._registry.volumes_in_use()
        )

    async def _discard_tasks(self, running: set[ContainerId]) -> None:
        """Task folders that belong to no run, with the runtime's state of them."""
        if not self._paths.task_dirs.exists():
            return
        for folder in self._paths.task_dirs.iterdir():
            if folder.name not in running:
                await self._tasks.discard(self._task_files.orphan(ContainerId(folder.name)))


def is_container_key(key: str) -> bool:
    """Containers' snapshots are called by their ids; others (builds) have owners of their own."""
    return len(key) == 64 and all(digit in "0123456789abcdef" for digit in key)


def _at_start(container: Container, *, was_running: bool) -> Decision:
    return restart.at_daemon_start(
        container.host.RestartPolicy,
        was_running=was_running,
        exit_code=container.state.exit_code,
        restart_count=container.restart_count,
        stopped_by_user=container.state.manually_stopped,
    )
