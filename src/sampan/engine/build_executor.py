"""RUN steps: the OCI runtime's `run`, as a child of the daemon, in a bundle of its own.

    <exec root>/build/steps/<id>/   config.json, hosts, hostname, resolv.conf, runtime.log
    <exec root>/build/<runtime>/    the runtime's state

No monitor: a build doesn't outlive the daemon, and `run` saves a round trip. What the runtime has
to say goes to runtime.log, so that it never mixes with the program's output; a log beside a failing
exit code means that the program was not started. `clean` ends what a dead daemon left running.
"""

import asyncio
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

import msgspec

from sampan.builder.executor import ExecStep, OnOutput, StepMount, StepSession
from sampan.engine.build_network import BuildNetwork, Joined, Networks
from sampan.engine.containers.validate import check_extra_host
from sampan.lib.cleanup import shielded
from sampan.lib.ids import short
from sampan.lib.workers import Workers
from sampan.runtime import limits, seccomp
from sampan.runtime.facts import HostFacts
from sampan.runtime.launch_errors import launch_failed
from sampan.runtime.runtimes import RuntimeProgram, Runtimes
from sampan.runtime.spec_builder import (
    SpecInput,
    SpecMount,
    SpecNamespaces,
    build_spec,
    given_capabilities,
)
from sampan.runtime.users import resolve_user
from sampan.wire.containers import HostSettings

_BIND = ("rbind", "rprivate")
_GUARDED = ("nosuid", "nodev", "noexec")
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
_CHUNK = 64 << 10
_KEPT_S = 0.05


class BuildExecutor:
    """See executor.StepExecutor. `root` is <exec root>/build."""

    def __init__(
        self,
        *,
        networks: Networks,
        runtimes: Runtimes,
        facts: HostFacts,
        programs: seccomp.SeccompPrograms,
        workers: Workers,
        root: Path,
        cgroup_parent: str,
        private_cgroupns: bool,
    ) -> None:
        self._networks = networks
        self._facts = facts
        self._programs = programs
        self._workers = workers
        self._steps = root / "steps"
        self._cgroup_parent = cgroup_parent
        self._private_cgroupns = private_cgroupns
        runtime = runtimes.get("")
        self._runtime = RuntimeProgram(runtime.path, runtime.args, root, workers)

    def session(self, host: HostSettings) -> AbstractAsyncContextManager[StepSession]:
        """Raises InvalidArgument for limits and extra hosts that can't be."""
        limits.check(host, self._facts)
        for entry in host.ExtraHosts or ():
            check_extra_host(entry)
        return self._session(limits.with_defaults(host))

    async def clean(self) -> None:
        """At start: end steps of a dead daemon, and forget them."""
        if not self._steps.exists():
            return
        for bundle in list(self._steps.iterdir()):
            await self._runtime.delete(bundle.name)
            await self._workers.run(shutil.rmtree, bundle)

    @asynccontextmanager
    async def _session(self, host: HostSettings) -> AsyncIterator[StepSession]:
        network = BuildNetwork(self._networks, host)
        try:
            yield _Session(self, host, network)
        finally:
            await network.close()

    async def run(
        self, step: ExecStep, host: HostSettings, network: BuildNetwork, output: OnOutput
    ) -> int:
        joined = await network.join(step.network)
        bundle = self._steps / step.id
        try:
            await self._workers.run(self._write_bundle, bundle, step, host, network, joined)
            return await self._run(bundle, step, output)
        finally:
            await shielded(
                lambda: self._workers.run(shutil.rmtree, bundle, ignore_errors=True),
                what="step bundle",
            )

    # --- the bundle -------------------------------------------------------------------------

    def _write_bundle(
        self,
        bundle: Path,
        step: ExecStep,
        host: HostSettings,
        network: BuildNetwork,
        joined: Joined,
    ) -> None:
        bundle.mkdir(parents=True, mode=0o711)
        mounts = []
        for name, text in network.etc_files(joined, short(step.id)).items():
            path = bundle / name
            path.write_text(text)
            path.chmod(0o644)
            mounts.append(SpecMount("bind", str(path), f"/etc/{name}", _BIND))
        mounts += [_spec_mount(mount) for mount in step.mounts]
        spec = build_spec(self._spec_input(step, host, joined, tuple(mounts)))
        config = bundle / "config.json"
        config.write_bytes(msgspec.json.encode(spec))
        if self._runtime.name == "crun":
            self._programs.annotate(config)
        config.chmod(0o600)  # its environment may hold secrets

    def _spec_input(
        self, step: ExecStep, host: HostSettings, joined: Joined, mounts: tuple[SpecMount, ...]
    ) -> SpecInput:
        user = resolve_user(step.rootfs, step.user)
        hostname = short(step.id)
        env = {"HOME": user.home, "HOSTNAME": hostname, **step.env}
        profile = seccomp.resolve(
            seccomp.default_profile(),
            machine=self._facts.machine,
            capabilities=given_capabilities(host, self._facts),
            kernel=self._facts.kernel,
        )
        parent = (host.CgroupParent or self._cgroup_parent).strip("/")
        return SpecInput(
            host=host,
            args=step.argv,
            env=tuple(f"{name}={value}" for name, value in env.items()),
            rootfs=str(step.rootfs),
            facts=self._facts,
            cgroup_path=f"/{parent}/{step.id}",
            cwd=step.cwd,
            uid=user.uid,
            gid=user.gid,
            additional_gids=user.additional_gids,
            hostname=hostname,
            mounts=mounts,
            namespaces=SpecNamespaces(
                network=joined.namespace, cgroup="" if self._private_cgroupns else "host"
            ),
            seccomp=profile,
        )

    # --- the process ------------------------------------------------------------------------

    async def _run(self, bundle: Path, step: ExecStep, output: OnOutput) -> int:
        log = bundle / "runtime.log"
        process = await asyncio.create_subprocess_exec(
            *self._runtime.argv,
            "--log",
            str(log),
            "run",
            "--bundle",
            str(bundle),
            step.id,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            env=_ENVIRONMENT,
        )
        following = _Following(process, output)
        try:
            code = await following.end()
        except BaseException:
            await shielded(lambda: self._kill(process, step.id), what="cancelled build step")
            raise
        said = log.read_text(errors="replace") if code and log.exists() else ""
        if said.strip():
            raise launch_failed(said, runtime=self._runtime.name, command=step.argv[0])
        await following.release()
        return code if code >= 0 else 128 - code

    async def _kill(self, process: Process, identifier: str) -> None:
        """The container first: it isn't the runtime's child once that is gone."""
        await self._runtime.delete(identifier)
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        # It may have been between its start and its registration when it was deleted.
        await self._runtime.delete(identifier)


def _spec_mount(mount: StepMount) -> SpecMount:
    options = [*(("ro",) if mount.readonly else ()), *(_GUARDED if mount.guarded else ())]
    if mount.source is None:
        size = (f"size={mount.size_bytes}",) if mount.size_bytes else ()
        return SpecMount("tmpfs", "tmpfs", mount.target, ("nosuid", "nodev", *size, *options))
    return SpecMount("bind", str(mount.source), mount.target, (*_BIND, *options))


class _Session:
    def __init__(self, executor: BuildExecutor, host: HostSettings, network: BuildNetwork) -> None:
        self._executor = executor
        self._host = host
        self._network = network

    async def run(self, step: ExecStep, output: OnOutput) -> int:
        return await self._executor.run(step, self._host, self._network, output)


class _Following:
    """Hands over what a step writes, until both streams end.

    A runtime that can't start the program says so on standard error as well as in its log. So what
    comes first there is kept until it is clear that the runtime isn't about to end.
    """

    def __init__(self, process: Process, output: OnOutput) -> None:
        self._process = process
        self._output = output
        self._kept = b""
        self._written = False

    async def end(self) -> int:
        """The exit status; then `release`, unless what was kept is the runtime's."""
        process = self._process
        assert process.stdout is not None
        assert process.stderr is not None
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pump(process.stdout, is_stderr=False))
            group.create_task(self._pump(process.stderr, is_stderr=True))
        return await process.wait()

    async def release(self) -> None:
        if self._kept:
            await self._output(self._kept, True)
            self._kept = b""

    async def _pump(self, stream: asyncio.StreamReader, *, is_stderr: bool) -> None:
        while data := await stream.read(_CHUNK):
            if is_stderr and not self._written:
                self._kept += data
                if await self._ends_soon():
                    continue
                await self.release()
            else:
                if is_stderr:  # what is kept came before
                    await self.release()
                await self._output(data, is_stderr)
            self._written = True

    async def _ends_soon(self) -> bool:
        try:
            async with asyncio.timeout(_KEPT_S):
                await self._process.wait()
        except TimeoutError:
            return False
        return True
