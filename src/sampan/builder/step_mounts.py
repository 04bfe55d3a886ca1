"""What `RUN --mount` brings into one step, from the sources to paths that can be bound.

    async with prepared(planned, sources, ...) as ready:
        ready.mounts       for the executor: each source is a path that no step can change
        ready.env          SSH_AUTH_SOCK and secrets that want to be variables

Sources lie below a small tmpfs of the step (secrets never touch a disk):

    <scratch>/mounts-XXXX/     tmpfs, mode 0700
        0, 1, ...              secret values; mount points of what lies inside another file system
    <scratch>/bind-XXXX/       files of the build context, laid out for this step

A path inside a stage, an image or a cache is opened as if chrooted to it and bound by that
descriptor: a link that a parallel step puts there meanwhile leads nowhere (CVE-2024-23651). What a
`bind` with `rw` writes goes to a copy, or to an overlay that is thrown away. Leaving the context
unmounts everything; what a killed daemon left below its scratch directory goes away at its start.
"""

import os
import shutil
import stat
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from sampan.builder.cache_mounts import CacheMounts, CacheWish
from sampan.builder.dockerfile.run_mounts import MountKind, RunMount
from sampan.builder.executor import StepMount
from sampan.builder.given_secrets import Lent
from sampan.builder.graph import Result
from sampan.builder.ops.states import state_of
from sampan.builder.placing import lay_out
from sampan.builder.results import Files
from sampan.builder.trees import Tree, resolve
from sampan.builder.workspace import Workspaces
from sampan.errors import InvalidArgument, NotFound
from sampan.lib.cleanup import shielded
from sampan.lib.tarstream import Kind
from sampan.linux import mounts
from sampan.linux.beneath import open_beneath

_AGENT_VARIABLE = "SSH_AUTH_SOCK"
_SECRET_LIMIT_BYTES = 500 << 10  # as BuildKit
_OWN_FS = mounts.Mount("tmpfs", "tmpfs", ("mode=0700", "size=64m", "nosuid", "nodev", "noexec"))


class SecretMissing(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"secret {name}: not found")


class AgentMissing(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f'no SSH key "{name}" forwarded from the client')


class SourceNotThere(InvalidArgument):
    def __init__(self, path: str) -> None:
        super().__init__(
            "failed to compute cache key: failed to calculate checksum of ref: "
            f'"/{path}": not found'
        )


@dataclass(frozen=True, slots=True)
class PlannedMount:
    """`mount.target` is absolute; `source` is the number of the vertex input it reads, 0: none."""

    mount: RunMount
    source: int = 0


@dataclass(slots=True)
class ReadyMounts:
    mounts: list[StepMount] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)


def find_source(tree: Tree, path: str) -> tuple[str, bool]:
    """Where a mount's source lies, links followed inside the tree, and whether it is a directory.

    Raises SourceNotThere.
    """
    found = resolve(tree, path.strip("/"))
    if found is None or found.entry.kind not in {Kind.REGULAR, Kind.DIRECTORY}:
        raise SourceNotThere(path.strip("/"))
    return found.path, found.entry.kind is Kind.DIRECTORY


class StepMounts:
    """Makes the mounts of steps of one build."""

    def __init__(
        self,
        workspaces: Workspaces,
        cache_mounts: CacheMounts,
        *,
        namespace: str,
        lent: Lent,
    ) -> None:
        self._workspaces = workspaces
        self._workers = workspaces.workers
        self._cache_mounts = cache_mounts
        self._namespace = namespace
        self._lent = lent

    @asynccontextmanager
    async def prepared(
        self, planned: Sequence[PlannedMount], inputs: Sequence[Result]
    ) -> AsyncIterator[ReadyMounts]:
        """Raises what a source or a secret lacks."""
        ready = ReadyMounts()
        if not planned:
            yield ready
            return
        async with AsyncExitStack() as stack:
            own = await self._own_directory(stack)
            for number, one in enumerate(planned):
                source = inputs[one.source] if one.source else None
                await self._add(ready, one.mount, source, own / str(number), stack)
            ready.mounts.sort(key=lambda mount: mount.target.count("/"))
            yield ready

    async def _own_directory(self, stack: AsyncExitStack) -> Path:
        path = await self._scratch_directory("mounts-", stack)

        async def leave() -> None:
            await self._workers.run(mounts.unmount_below, path)

        # Before the mount: a cancelled build still waits for it to be made.
        stack.push_async_callback(shielded, leave, what="mounts of a build step")
        await self._workers.run(mounts.mount_one, _OWN_FS, path)
        return path

    async def _scratch_directory(self, prefix: str, stack: AsyncExitStack) -> Path:
        scratch = self._workspaces.scratch
        path = Path(await self._workers.run(tempfile.mkdtemp, prefix=prefix, dir=scratch))
        stack.push_async_callback(
            shielded, lambda: self._workers.run(shutil.rmtree, path), what="build step files"
        )
        return path

    async def _add(
        self,
        ready: ReadyMounts,
        mount: RunMount,
        source: Result | None,
        own: Path,
        stack: AsyncExitStack,
    ) -> None:
        """`own` is a name in the step's tmpfs for this mount."""
        found: StepMount | None
        match mount.kind:
            case MountKind.BIND:
                assert source is not None
                path = await self._bound(mount, source, own, stack)
                found = StepMount(target=mount.target, source=path, readonly=mount.readonly)
            case MountKind.CACHE:
                path = await self._cache(mount, source, own, stack)
                found = StepMount(target=mount.target, source=path, readonly=mount.readonly)
            case MountKind.TMPFS:
                found = StepMount(target=mount.target, size_bytes=mount.size_bytes)
            case MountKind.SECRET:
                found = await self._secret(ready, mount, own)
            case MountKind.SSH:
                found = await self._agent(ready, mount)
        if found is not None:
            ready.mounts.append(found)

    # --- bind -------------------------------------------------------------------------------

    async def _bound(
        self, mount: RunMount, source: Result, own: Path, stack: AsyncExitStack
    ) -> Path:
        if isinstance(source, Files):
            return await self._laid_out(mount, source.tree, stack)
        state = state_of(source)
        if mount.readonly:
            tree = await stack.enter_async_context(self._workspaces.readable(state))
            root = tree.root
        else:
            work = await stack.enter_async_context(self._workspaces.writable(state))
            root = work.path
        return await self._workers.run(_hold, root, mount.source, own)

    async def _laid_out(self, mount: RunMount, tree: Tree, stack: AsyncExitStack) -> Path:
        """Files of the context as a directory. Each step has its own: it may write to it."""
        folder = await self._scratch_directory("bind-", stack)

        def work() -> Path:
            path, _ = find_source(tree, mount.source)
            return lay_out(tree, path, folder / "files")

        return await self._workers.run(work)

    # --- cache ------------------------------------------------------------------------------

    async def _cache(
        self, mount: RunMount, source: Result | None, own: Path, stack: AsyncExitStack
    ) -> Path:
        wish = CacheWish(
            id=mount.id,
            namespace=self._namespace,
            sharing=mount.sharing,
            owner=(mount.uid or 0, mount.gid or 0),
            mode=0o755 if mount.mode is None else mount.mode & 0o7777,
        )
        fill = None
        if source is not None:
            # A cache that begins with files of an image is another one when these files change.
            origin = state_of(source)
            wish = replace(wish, origin=origin.identity)
            tree = await stack.enter_async_context(self._workspaces.readable(origin))

            def fill(path: Path) -> None:
                lay_out(tree, "", path)

        path = await stack.enter_async_context(self._cache_mounts.acquire(wish, fill))
        if not mount.source.strip("/"):
            return path
        return await self._workers.run(_hold, path, mount.source, own)

    # --- what the client lends --------------------------------------------------------------

    async def _secret(self, ready: ReadyMounts, mount: RunMount, own: Path) -> StepMount | None:
        value = await self._lent.secrets.get(mount.id)
        if value is None:
            if mount.required:
                raise SecretMissing(mount.id)
            return None
        if len(value) > _SECRET_LIMIT_BYTES:
            raise InvalidArgument(f"invalid secret size {len(value)}: {mount.id}")
        if mount.env:
            ready.env[mount.env] = value.decode("utf-8", "surrogateescape")
        if not mount.target:
            return None
        await self._workers.run(_write_secret, own, value, mount)
        return StepMount(target=mount.target, source=own, readonly=True, guarded=True)

    async def _agent(self, ready: ReadyMounts, mount: RunMount) -> StepMount | None:
        socket = await self._lent.ssh.open(mount.id)
        if socket is None:
            if mount.required:
                raise AgentMissing(mount.id)
            return None
        await self._workers.run(_give, socket, mount, 0o600)
        ready.env.setdefault(_AGENT_VARIABLE, mount.target)
        return StepMount(target=mount.target, source=socket, guarded=True)


def _hold(root: Path, path: str, own: Path) -> Path:
    """Bind what is at `path` inside `root` at `own`: nobody can put something else there."""
    if not path.strip("/"):
        return root
    try:
        held = open_beneath(root, path, os.O_PATH)
    except OSError as error:
        raise SourceNotThere(path.strip("/")) from error
    try:
        mode = os.fstat(held).st_mode
        if stat.S_ISDIR(mode):
            own.mkdir()
        elif stat.S_ISREG(mode):
            own.touch()
        else:
            raise SourceNotThere(path.strip("/"))
        mounts.bind(Path(f"/proc/self/fd/{held}"), own)
    finally:
        os.close(held)
    return own


def _write_secret(path: Path, value: bytes, mount: RunMount) -> None:
    path.write_bytes(value)
    _give(path, mount, 0o400)


def _give(path: Path, mount: RunMount, mode: int) -> None:
    os.chown(path, mount.uid or 0, mount.gid or 0)
    path.chmod(mode if mount.mode is None else mount.mode & 0o7777)
