"""The typed instructions of a Dockerfile. Values are as written: nothing is expanded yet.

Every instruction carries `text` (as written, continuations joined: what progress shows) and its
source range. `Command` is what RUN, CMD, ENTRYPOINT and health checks share.
"""

from dataclasses import dataclass

from sampan.builder.dockerfile.lexer import Heredoc
from sampan.builder.dockerfile.run_mounts import MountFields
from sampan.builder.dockerfile.source import SourceRange


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    text: str
    where: SourceRange


@dataclass(frozen=True, slots=True)
class Command:
    """Exec form: `words` are the arguments. Shell form: one word, the text for the shell."""

    words: tuple[str, ...]
    shell_form: bool

    def argv(self, shell: tuple[str, ...]) -> list[str]:
        if not self.shell_form:
            return list(self.words)
        return [*shell, *self.words] if self.words else [*shell, ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class From(Instruction):
    base: str
    platform: str = ""
    stage_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arg(Instruction):
    """`names`: (name, default or None)."""

    names: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Env(Instruction):
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label(Instruction):
    """`literal`: from the client's own request, not expanded."""

    pairs: tuple[tuple[str, str], ...]
    literal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Instruction):
    """`network`, `security` and `devices` may ask for more than a build is allowed."""

    command: Command
    heredocs: tuple[Heredoc, ...] = ()
    mounts: tuple[MountFields, ...] = ()
    network: str = ""
    security: str = ""
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy(Instruction):
    """COPY and, with `is_add`, ADD. `from_stage` is a stage's name or number, or an image.

    `unpack` is None when nothing was said: local archives are unpacked, downloads are not.
    """

    sources: tuple[str, ...]
    destination: str
    chown: str = ""
    chmod: str = ""
    from_stage: str = ""
    is_add: bool = False
    heredocs: tuple[Heredoc, ...] = ()
    link: bool = False
    parents: bool = False
    excludes: tuple[str, ...] = ()
    checksum: str = ""
    keep_git_dir: bool = False
    unpack: bool | None = None

    @property
    def keyword(self) -> str:
        return "ADD" if self.is_add else "COPY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cmd(Instruction):
    command: Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrypoint(Instruction):
    command: Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintainer(Instruction):
    author: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expose(Instruction):
    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(Instruction):
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Instruction):
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workdir(Instruction):
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSignal(Instruction):
    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell(Instruction):
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck(Instruction):
    """`command` is None for HEALTHCHECK NONE. Durations are nanoseconds, 0 means default."""

    command: Command | None
    interval_ns: int = 0
    timeout_ns: int = 0
    start_period_ns: int = 0
    start_interval_ns: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OnBuild(Instruction):
    """`expression` is kept as written and parsed when it triggers."""

    expression: str
