"""The dockerfile.v0 frontend: from a client's request to a built image.

    attributes -> Dockerfile, .dockerignore -> Builder (fetches the context when needed) -> State

Failures carry the lines of the Dockerfile that they are about. Whatever was fetched goes away with
the build's scratch directory.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sampan.builder.build_spec import BuildSpec
from sampan.builder.cache import Made
from sampan.builder.context import ignore_rules
from sampan.builder.dockerfile.ignore import IgnoreRules
from sampan.builder.dockerfile.source import BadInstruction, DockerfileSyntax, SourceRange
from sampan.builder.dockerfile.stages import Dockerfile, parse_dockerfile
from sampan.builder.epoch import epoch_of
from sampan.builder.given_secrets import Lent
from sampan.builder.lower.scope import unused_arguments
from sampan.builder.named import Named
from sampan.builder.ops.source import Context, GivenContext
from sampan.builder.results import State
from sampan.engine.build_bases import CredentialSource
from sampan.engine.build_caches import INLINE, CacheOption
from sampan.engine.build_remote import UrlDownloader
from sampan.engine.buildkit.context import (
    ClientFiles,
    DockerfileText,
    FetchedContext,
    named_paths,
)
from sampan.engine.buildkit.credentials import SessionCredentials
from sampan.engine.buildkit.failures import build_failure, build_text, source_detail
from sampan.engine.buildkit.lending import SessionAgents, SessionSecrets
from sampan.engine.buildkit.linting import lint_metadata
from sampan.engine.buildkit.named import NamedContexts
from sampan.engine.buildkit.options import FrontendOptions, parse_options
from sampan.engine.buildkit.sessions import Sessions
from sampan.engine.buildkit.uploads import POSTED_URL, PostedUploads, take_upload
from sampan.engine.buildkit.vertices import Vertices
from sampan.engine.builds import Builds, EmptyDockerfile, remote_context
from sampan.errors import SampanError
from sampan.lib.cleanup import shielded
from sampan.lib.workers import Workers
from sampan.rpc.calls import Caller
from sampan.store.images import ImageStore
from sampan.wire.buildkit.common import Definition, SourceInfo
from sampan.wire.buildkit.session import UPLOAD_URL


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildCall:
    """What comes with a frontend's request. `name` is what the result will be called, if known;
    `imports` and `exports` are build caches."""

    session: str
    vertices: Vertices
    inputs: Mapping[str, Definition] = field(default_factory=dict)
    entitlements: frozenset[str] = frozenset()
    name: str = ""
    imports: tuple[CacheOption, ...] = ()
    exports: tuple[CacheOption, ...] = ()


@dataclass(frozen=True, slots=True)
class FrontendResult:
    """An image (or nothing), or an answer about the Dockerfile."""

    state: State = field(default_factory=State)
    epoch_ns: int | None = None
    metadata: Mapping[str, bytes] = field(default_factory=dict)


class DockerfileFrontend:
    """One for all builds."""

    def __init__(
        self,
        *,
        builds: Builds,
        sessions: Sessions,
        posted: PostedUploads,
        images: ImageStore,
        workers: Workers,
    ) -> None:
        self._posted = posted
        self._builds = builds
        self._sessions = sessions
        self._images = images
        self._workers = workers

    async def build(
        self, frontend: str, attributes: Mapping[str, str], call: BuildCall
    ) -> FrontendResult:
        """Raises CallFailed with the words and details that BuildKit's clients show."""
        try:
            options = parse_options(frontend, attributes)
            call.vertices.explain = options.explain
            async with self._builds.scratch_directory() as scratch:
                downloader = UrlDownloader(scratch, self._workers)
                named = NamedContexts(
                    images=self._images,
                    inputs=call.inputs,
                    downloader=downloader,
                    scratch=scratch,
                    workers=self._workers,
                )
                run = _Run(
                    self._builds,
                    self._sessions,
                    self._workers,
                    posted=self._posted,
                    options=options,
                    named=named,
                    downloader=downloader,
                    call=call,
                )
                return await run.build(scratch)
        except SampanError as error:
            raise build_failure(error) from error


class _Run:
    def __init__(
        self,
        builds: Builds,
        sessions: Sessions,
        workers: Workers,
        *,
        posted: PostedUploads,
        options: FrontendOptions,
        named: NamedContexts,
        downloader: UrlDownloader,
        call: BuildCall,
    ) -> None:
        self._builds = builds
        self._sessions = sessions
        self._workers = workers
        self._posted = posted
        self._options = options
        self._named = named
        self._downloader = downloader
        self._call = call
        self._vertices = call.vertices

    async def build(self, scratch: Path) -> FrontendResult:
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
            rules = IgnoreRules(ignore)
            if options.lints:
                return self._lint(source, rules)
            dockerfile = self._parse(source)
            context = FetchedContext(
                files,
                options.context_directory,
                ignore=ignore,
                only=named_paths(dockerfile),
            )
            return await self._solve(
                source, dockerfile, context, named, rules=rules, scratch=scratch
            )

    def _lint(self, source: DockerfileText, rules: IgnoreRules) -> FrontendResult:
        found = lint_metadata(
            source.name, source.text, self._options.build_args, excluded=_excluding(rules)
        )
        return FrontendResult(metadata=found)

    async def _remote(self, named: Mapping[str, Named], scratch: Path) -> FrontendResult:
        """The context is a URL or an upload, and the Dockerfile lies in it."""
        url = self._options.remote
        if url.startswith(POSTED_URL):
            path = scratch / "upload"
            await self._posted.take(url, path, self._workers)
        elif url.startswith(UPLOAD_URL):
            path = scratch / "upload"
            await take_upload(await self._caller_of_build(), url, path, self._workers)
        else:
            path = await self._downloader.context(url)
        tree = await self._workers.run(remote_context, path, scratch)
        with tree:
            name = self._options.filename
            text = await self._workers.run(tree.read_text, name)
            source = DockerfileText(name, text, None)
            rules = await self._workers.run(ignore_rules, tree, name)
            if self._options.lints:
                return self._lint(source, rules)
            context = GivenContext(tree.without(rules.excluded) if rules else tree)
            return await self._solve(
                source, self._parse(source), context, named, rules=rules, scratch=scratch
            )

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
        text = source.text.encode("utf-8", "surrogateescape")
        self._vertices.source = SourceInfo(source.name, text, "Dockerfile")
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
        *,
        rules: IgnoreRules,
        scratch: Path,
    ) -> FrontendResult:
        options = self._options
        agents = SessionAgents(self._caller_of_build, scratch)
        credentials = SessionCredentials(self._caller_of_build)
        imports = await self._builds.caches.sources(
            self._call.imports, credentials, self._vertices.warn
        )
        builder = self._builds.builder(credentials, imports=imports)
        steps: list[Made] = []
        spec = BuildSpec(
            dockerfile=dockerfile,
            target=options.target,
            build_args=options.build_args,
            labels=options.labels,
            use_cache=options.use_cache,
            no_cache_stages=options.no_cache_stages,
            pull=options.pull,
            platform=options.platform,
            host=options.host,
            named=named,
            lent=Lent(SessionSecrets(self._caller_of_build), agents),
            entitlements=self._call.entitlements,
            excluded=_excluding(rules),
            inline_cache=any(one.kind == INLINE for one in self._call.exports),
            name=self._call.name,
            filename=options.filename,
        )
        try:
            state = await builder.build(
                spec,
                context,
                downloader=self._downloader,
                scratch=scratch,
                emit=self._vertices,
                steps=steps,
            )
        except SampanError as error:
            self._vertices.fail(build_text(error))
            where = getattr(error, "where", None) or self._vertices.where
            raise self._failure(error, source, where) from error
        finally:
            await shielded(agents.aclose, what="ssh agents of a build")
        self._note_unused(dockerfile)
        await self._export_caches(steps, state, credentials)
        return FrontendResult(state, epoch_ns=epoch_of(options.build_args))

    async def _export_caches(
        self, steps: Sequence[Made], state: State, credentials: CredentialSource
    ) -> None:
        for target in self._call.exports:
            if target.kind == INLINE:
                continue
            vertex = self._vertices.begin(f"exporting cache to {target.kind}")
            try:
                await self._builds.caches.write(target, steps, state, credentials)
            except SampanError as error:
                vertex.fail(error.message)
                raise
            vertex.done()

    def _note_unused(self, dockerfile: Dockerfile) -> None:
        given = {
            name: value
            for name, value in self._options.build_args.items()
            if not name.startswith("BUILDKIT_")
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
        return await self._sessions.get(self._options.sessions.get(directory) or self._call.session)

    async def _caller_of_build(self) -> Caller:
        return await self._sessions.get(self._call.session)


def _excluding(rules: IgnoreRules) -> Callable[[str], bool] | None:
    return rules.excluded if rules else None
