"""The dockerfile.v0 frontend: from a client's request to a built image.

    attributes -> Dockerfile, .dockerignore -> Builder (fetches the context when needed) -> State

Failures carry the lines of the Dockerfile that they are about. Whatever was fetched goes away with
the build's scratch directory.
"""

from collections.abc import Mapping
from pathlib import Path

from sampan.builder.build import BuildSpec
from sampan.builder.dockerfile.source import BadInstruction, DockerfileSyntax, SourceRange
from sampan.builder.dockerfile.stages import Dockerfile, parse_dockerfile
from sampan.builder.lower.scope import unused_arguments
from sampan.builder.named import Named
from sampan.builder.ops.source import Context, GivenContext
from sampan.builder.results import State
from sampan.engine.build_remote import UrlDownloader
from sampan.engine.buildkit.context import (
    ClientFiles,
    DockerfileText,
    FetchedContext,
    named_paths,
)
from sampan.engine.buildkit.credentials import SessionCredentials
from sampan.engine.buildkit.failures import build_failure, build_text, source_detail
from sampan.engine.buildkit.named import NamedContexts
from sampan.engine.buildkit.options import FrontendOptions, parse_options
from sampan.engine.buildkit.sessions import Caller, Sessions
from sampan.engine.buildkit.vertices import Vertices
from sampan.engine.builds import Builds, EmptyDockerfile, remote_context
from sampan.errors import SampanError, Unsupported
from sampan.lib.workers import Workers
from sampan.store.images import ImageStore
from sampan.wire.buildkit.common import Definition

_CLIENT_UPLOAD = "http://buildkit-session/"


class DockerfileFrontend:
    """One for all builds."""

    def __init__(
        self, *, builds: Builds, sessions: Sessions, images: ImageStore, workers: Workers
    ) -> None:
        self._builds = builds
        self._sessions = sessions
        self._images = images
        self._workers = workers

    async def build(
        self,
        frontend: str,
        attributes: Mapping[str, str],
        *,
        inputs: Mapping[str, Definition],
        session: str,
        vertices: Vertices,
    ) -> State:
        """Raises CallFailed with the words and details that BuildKit's clients show."""
        try:
            options = parse_options(frontend, attributes)
            named = NamedContexts(images=self._images, inputs=inputs)
            return await self._build(options, named, session, vertices)
        except SampanError as error:
            raise build_failure(error) from error

    async def _build(
        self, options: FrontendOptions, named: NamedContexts, session: str, vertices: Vertices
    ) -> State:
        async with self._builds.scratch_directory() as scratch:
            run = _Run(
                self._builds,
                self._sessions,
                self._workers,
                options=options,
                named=named,
                session=session,
                vertices=vertices,
            )
            return await run.build(scratch)


class _Run:
    def __init__(
        self,
        builds: Builds,
        sessions: Sessions,
        workers: Workers,
        *,
        options: FrontendOptions,
        named: NamedContexts,
        session: str,
        vertices: Vertices,
    ) -> None:
        self._builds = builds
        self._sessions = sessions
        self._workers = workers
        self._options = options
        self._named = named
        self._session = session
        self._vertices = vertices

    async def build(self, scratch: Path) -> State:
        files = ClientFiles(caller_of=self._caller, vertices=self._vertices, scratch=scratch)
        with files:
            options = self._options
            named = await self._workers.run(self._named.resolve, options.named, files)
            if options.remote:
                return await self._remote(named, scratch)
            source = await files.dockerfile(options.dockerfile_directory, options.filename)
            ignore = source.ignore
            if ignore is None:
                ignore = await files.ignore_rules(options.context_directory)
            dockerfile = self._parse(source)
            context = FetchedContext(
                files,
                options.context_directory,
                ignore=ignore,
                only=named_paths(dockerfile),
            )
            return await self._solve(source, dockerfile, context, named, scratch)

    async def _remote(self, named: Mapping[str, Named], scratch: Path) -> State:
        """The context is a URL, and the Dockerfile lies in it."""
        url = self._options.remote
        if url.startswith(_CLIENT_UPLOAD):
            raise Unsupported("a context from standard input is not supported by this engine")
        path = await UrlDownloader(scratch).context(url)
        tree = await self._workers.run(remote_context, path, scratch)
        with tree:
            text = await self._workers.run(tree.read_text, self._options.filename)
            source = DockerfileText(self._options.filename, text, None)
            context = GivenContext(tree)
            return await self._solve(source, self._parse(source), context, named, scratch)

    def _parse(self, source: DockerfileText) -> Dockerfile:
        try:
            if not source.text:
                raise EmptyDockerfile(source.name)
            dockerfile = parse_dockerfile(source.text)
            dockerfile.up_to(self._options.target)
        except (BadInstruction, DockerfileSyntax) as error:
            raise self._failure(error, source, error.where) from error
        except SampanError as error:
            raise self._failure(error, source, None) from error
        self._note_syntax(dockerfile)
        return dockerfile

    def _note_syntax(self, dockerfile: Dockerfile) -> None:
        wanted = self._options.ignored_syntax
        if wanted:
            self._vertices.warn(f"frontend {wanted} is not used: the built-in one is")

    async def _solve(
        self,
        source: DockerfileText,
        dockerfile: Dockerfile,
        context: Context,
        named: Mapping[str, Named],
        scratch: Path,
    ) -> State:
        options = self._options
        builder = self._builds.builder(SessionCredentials(self._caller_of_build))
        spec = BuildSpec(
            dockerfile=dockerfile,
            target=options.target,
            build_args=options.build_args,
            labels=options.labels,
            use_cache=options.use_cache,
            pull=options.pull,
            platform=options.platform,
            host=options.host,
            named=named,
        )
        try:
            state = await builder.build(
                spec,
                context,
                downloader=UrlDownloader(scratch),
                scratch=scratch,
                emit=self._vertices,
            )
        except SampanError as error:
            self._vertices.fail(build_text(error))
            where = getattr(error, "where", None) or self._vertices.where
            raise self._failure(error, source, where) from error
        self._note_unused(dockerfile)
        return state

    def _note_unused(self, dockerfile: Dockerfile) -> None:
        given = {
            name: value
            for name, value in self._options.build_args.items()
            if not name.startswith("BUILDKIT_") and name != "SOURCE_DATE_EPOCH"
        }
        names = unused_arguments(dockerfile, given)
        if names:
            text = f"[Warning] One or more build-args [{' '.join(names)}] were not consumed"
            self._vertices.warn(text)

    def _failure(
        self, error: SampanError, source: DockerfileText, where: SourceRange | None
    ) -> SampanError:
        details = []
        if where is not None:
            detail = source_detail(source.name, source.text, where.first_line, where.last_line)
            details = [detail] if detail is not None else []
        return build_failure(error, details)

    async def _caller(self, directory: str) -> Caller:
        return await self._sessions.get(self._options.sessions.get(directory) or self._session)

    async def _caller_of_build(self) -> Caller:
        return await self._sessions.get(self._session)
