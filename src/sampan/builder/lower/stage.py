"""The state in which a stage's instructions are lowered, and the parts that their ops need.

`Lowering` is the one mutable thing: each instruction reads the configuration before it and leaves
the one after it. Nothing here touches files: a whole stage is lowered before its first step runs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from sampan.builder.dockerfile.expand import expand, expand_body, expand_words
from sampan.builder.executor import StepSession
from sampan.builder.exporters import ImageExporter, StepRecord
from sampan.builder.fetched import Downloader
from sampan.builder.graph import StepLabel, Vertex
from sampan.builder.lower.scope import PROXIES, StageScope
from sampan.builder.ops.config import ConfigOp
from sampan.builder.step_mounts import StepMounts
from sampan.builder.workspace import Workspaces
from sampan.lib.workers import Workers
from sampan.oci.image_config import ImageRunConfig
from sampan.oci.platform import Platform

# By the name of a stage, a named context or an image; "" is the build context.
SourceOf = Callable[[str], Vertex]

DEFAULT_SHELL = ("/bin/sh", "-c")
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What ops are made with; one per build."""

    session: StepSession
    workspaces: Workspaces
    exporter: ImageExporter
    downloader: Downloader
    workers: Workers
    platform: Platform
    network_mode: str
    step_mounts: StepMounts
    entitlements: frozenset[str]


class Lowering:
    """Turns one stage's instructions into a chain of vertices; `last` is its end so far."""

    def __init__(
        self,
        base: Vertex,
        config: ImageRunConfig,
        *,
        author: str,
        scope: StageScope,
        parts: Parts,
        escape: str,
    ) -> None:
        self.last = base
        self.chain: list[Vertex] = []
        self.config = _with_path(config)
        self.author = author
        self.scope = scope
        self.parts = parts
        self.escape = escape
        self.cmd_set = False
        self._undefined: set[str] = set()
        self.label: StepLabel | None = None
        self.shows_result = True

    # --- what instructions read -------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        return environment(self.config)

    @property
    def shell(self) -> tuple[str, ...]:
        return tuple(self.config.Shell or DEFAULT_SHELL)

    def variables(self) -> dict[str, str]:
        return self.scope.visible(self.environment)

    def expand(self, word: str) -> str:
        return expand(word, self._watched(), self.escape)

    def expand_words(self, word: str) -> list[str]:
        return expand_words(word, self._watched(), self.escape)

    def expand_body(self, text: str) -> str:
        return expand_body(text, self._watched(), self.escape)

    def take_undefined(self) -> list[str]:
        """Names that were expanded since the last time, and that nobody ever declared."""
        found, self._undefined = self._undefined - self.scope.declared - PROXIES, set()
        return sorted(found)

    def _watched(self) -> dict[str, str]:
        return _Watched(self.variables(), self._undefined)

    # --- what they leave --------------------------------------------------------------------

    def change(self, **fields: object) -> None:
        """Set fields of the configuration."""
        self.config = msgspec.structs.replace(self.config, **fields)

    def record(self, *command: str) -> StepRecord:
        """The step as history tells it; the configuration is the present one."""
        return StepRecord(
            command=command,
            config=self.config,
            author=self.author,
            platform=self.parts.platform,
            epoch_ns=self.parts.workspaces.epoch_ns,
        )

    def nop(self, text: str, *, notice: str = "") -> None:
        """A step that changes the configuration only."""
        op = ConfigOp(
            self.record(*self.shell, "#(nop) ", text),
            exporter=self.parts.exporter,
            workers=self.parts.workers,
            notice=notice,
        )
        self.add(Vertex(op, (self.last,), self.label, self.shows_result))

    def add(self, vertex: Vertex) -> None:
        self.last = vertex
        self.chain.append(vertex)


class _Watched(dict[str, str]):
    """Notes names that it lacks; see expand.py."""

    def __init__(self, known: Mapping[str, str], missed: set[str]) -> None:
        super().__init__(known)
        self._missed = missed

    def __missing__(self, name: str) -> str:
        if name.isidentifier():
            self._missed.add(name)
        return ""


def environment(config: ImageRunConfig) -> dict[str, str]:
    found = {}
    for entry in config.Env or ():
        name, _, value = entry.partition("=")
        found[name] = value
    return found


def to_list(variables: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in variables.items()]


def _with_path(config: ImageRunConfig) -> ImageRunConfig:
    """Every stage has a PATH; the triggers of its base are about to run and don't stay."""
    variables = environment(config)
    if "PATH" not in variables:
        variables["PATH"] = DEFAULT_PATH
    return msgspec.structs.replace(config, Env=to_list(variables), OnBuild=None)


def go_quote(text: str) -> str:
    """Go's %q of a string."""
    out = ""
    for char in text:
        if char in '"\\':
            out += "\\" + char
        elif char in _GO_ESCAPES:
            out += _GO_ESCAPES[char]
        elif char.isprintable():
            out += char
        elif ord(char) < 0x80:
            out += f"\\x{ord(char):02x}"
        else:
            out += f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
    return f'"{out}"'


_GO_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def go_list(words: list[str]) -> str:
    """Go's %q of a list of strings: ["a" "b"]."""
    return "[" + " ".join(go_quote(word) for word in words) + "]"
