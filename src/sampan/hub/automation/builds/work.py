"""One build, from the source to the pushed image.

    fetch the ref -> pack the context -> POST /build -> POST /images/NAME/push -> digest

What goes wrong is an ending with a reason, not an exception: `failed` is the repository's own
doing (its Dockerfile, its rules), `error` the world's (source or engine out of reach). Cancelling
the task ends git and the engine's build; the scratch folder goes in any case.
"""

import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from sampan.errors import InvalidArgument, SampanError
from sampan.hub.accounts.standing import Repository, repository_of, repository_query
from sampan.hub.automation.builds import queue, sources
from sampan.hub.automation.builds.checkout import Checkout
from sampan.hub.automation.builds.context import pack
from sampan.hub.automation.builds.engine import Engine, Recipe
from sampan.hub.automation.builds.logs import FLUSH_EVERY_S, BuildLogs, LogWriter
from sampan.hub.automation.builds.queue import Build, State
from sampan.hub.automation.builds.remotes import parse_remote
from sampan.hub.automation.builds.sources import Source
from sampan.hub.automation.sealing import Sealer
from sampan.hub.db.engine import Database
from sampan.hub.db.schema import repositories
from sampan.lib.cleanup import shielded
from sampan.lib.git import GitFailed
from sampan.lib.workers import Workers

log = logging.getLogger(__name__)

# who pushes, the repository's name, what for, how long: the token for the engine
MakeToken = Callable[[str, str, tuple[str, ...], int], str]

FETCH_LIMIT_S = 900
PUSH_LIMIT_S = 1800


@dataclass(frozen=True, slots=True)
class Ending:
    state: State
    reason: str = ""
    digest: str = ""


class BuildFailed(InvalidArgument):
    """What the engine says about the Dockerfile or the push."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSettings:
    """`registry` is the hub's host and port as the engine reaches it."""

    registry: str
    scratch: Path
    folders: tuple[Path, ...] = ()
    limit_s: int = 7200


class BuildWork:
    """Called by the runner, several builds at once."""

    def __init__(
        self,
        settings: BuildSettings,
        *,
        database: Database,
        workers: Workers,
        sealer: Sealer,
        checkout: Checkout,
        engine: Engine,
        logs: BuildLogs,
        make_token: MakeToken,
    ) -> None:
        self._settings = settings
        self._database = database
        self._workers = workers
        self._sealer = sealer
        self._checkout = checkout
        self._engine = engine
        self._logs = logs
        self._make_token = make_token

    async def run(self, build: Build) -> Ending:
        out = self._logs.writer(build.id)
        out.line(f"Build {build.id}: {build.source_type} {build.source_ref} to :{build.tag}")
        ending = Ending(State.CANCELLED, "cancelled")
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_flush_often, out)
                ending = await self._ending(build, out)
                tasks.cancel_scope.cancel()
        finally:
            out.line(f"{ending.state.capitalize()}{': ' * bool(ending.reason)}{ending.reason}")
            await shielded(out.flush, what="log of a build")
        return ending

    async def _ending(self, build: Build, out: LogWriter) -> Ending:
        try:
            with anyio.fail_after(self._settings.limit_s):
                digest = await self._build(build, out)
            return Ending(State.SUCCESS, digest=digest)
        except TimeoutError:
            return Ending(State.ERROR, f"not done within {self._settings.limit_s} s")
        except InvalidArgument as error:
            return Ending(State.FAILED, error.message)
        except SampanError as error:
            return Ending(State.ERROR, error.message)
        except Exception:  # the boundary of a build: the others go on
            log.exception("build broke build=%s", build.id)
            return Ending(State.ERROR, "something went wrong here; the hub's log knows more")

    async def _build(self, build: Build, out: LogWriter) -> str:
        source = await self._database.read(
            lambda connection: sources.get(connection, build.repository_id)
        )
        repository = await self._database.read(
            lambda connection: _repository(connection, build.repository_id)
        )
        scratch = Path(
            await self._workers.run(
                tempfile.mkdtemp, prefix=f"{build.id}-", dir=self._settings.scratch
            )
        )
        try:
            context = await self._context(build, source, scratch, out)
            await self._image(build, source, repository, context, out)
        finally:
            await shielded(
                lambda: self._workers.run(shutil.rmtree, scratch, ignore_errors=True),
                what="scratch of a build",
            )
        return await self._push(build, source, repository, out)

    async def _context(self, build: Build, source: Source, scratch: Path, out: LogWriter) -> Path:
        remote = parse_remote(source.url, self._settings.folders)
        key = self._sealer.open(source.deploy_key) if source.deploy_key else ""
        out.line(f"Fetching {source.url}")
        try:
            with anyio.fail_after(FETCH_LIMIT_S):
                tree = await self._checkout.tree(remote, build.ref, scratch, key=key)
        except GitFailed as error:
            out.write(error.message + "\n")
            raise
        out.line(f"At commit {tree.commit}")
        await self._database.write(
            lambda connection: queue.note_commit(connection, build.id, tree.commit)
        )
        context = scratch / "context.tar"
        await self._workers.run(pack, tree.path, build.build_context, build.dockerfile, context)
        return context

    async def _image(
        self, build: Build, source: Source, repository: Repository, context: Path, out: LogWriter
    ) -> None:
        host = self._settings.registry
        # a Dockerfile may begin FROM an older image of the same repository
        token = self._make_token(
            source.linked_by, repository.path, ("pull",), self._settings.limit_s
        )
        recipe = Recipe(
            reference=f"{host}/{repository.path}:{build.tag}",
            dockerfile=build.dockerfile,
            arguments=sources.arguments_of(source, self._sealer),
            labels={},
            caching=build.build_caching,
            registries={host: {"registrytoken": token}},
        )
        out.line(f"Building {recipe.reference} with {build.dockerfile}")
        await _follow(self._engine.build(context, recipe), out)

    async def _push(
        self, build: Build, source: Source, repository: Repository, out: LogWriter
    ) -> str:
        name = f"{self._settings.registry}/{repository.path}"
        out.line(f"Pushing {name}:{build.tag}")
        token = self._make_token(source.linked_by, repository.path, ("pull", "push"), PUSH_LIMIT_S)
        credentials = {"registrytoken": token, "serveraddress": self._settings.registry}
        with anyio.fail_after(PUSH_LIMIT_S):
            aux = await _follow(self._engine.push(name, build.tag, credentials), out)
        return str(aux.get("Digest", ""))


def _repository(connection: Any, repository_id: int) -> Repository:
    row = connection.execute(repository_query().where(repositories.c.id == repository_id)).one()
    return repository_of(row)


async def _follow(messages: AsyncIterator[dict[str, Any]], out: LogWriter) -> dict[str, Any]:
    """Logs the messages of a stream; returns the last `aux`. Raises BuildFailed."""
    aux: dict[str, Any] = {}
    async for message in messages:
        if "error" in message:
            out.write(f"{message['error']}\n")
            raise BuildFailed(str(message["error"]).strip())
        if isinstance(message.get("aux"), dict):
            aux = message["aux"]
        out.write(_text(message))
    return aux


def _text(message: dict[str, Any]) -> str:
    """What of a message a log shows: not the bars."""
    if "stream" in message:
        return str(message["stream"])
    if "status" in message and not message.get("progressDetail"):
        before = f"{message['id']}: " if message.get("id") else ""
        return f"{before}{message['status']}\n"
    return ""


async def _flush_often(out: LogWriter) -> None:
    while True:
        await anyio.sleep(FLUSH_EVERY_S)
        await out.flush()
