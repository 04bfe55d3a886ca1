"""Build arguments: what is declared, what the client gave, what a word of a stage may see.

Global ARGs (before the first FROM) count on FROM lines; in a stage they count from the line that
declares them again. Proxy variables are there for RUN without being declared, and then stay out of
history and cache keys. The platform names (TARGETARCH and so on) are global ARGs that nobody needs
to declare before FROM.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sampan.builder.dockerfile.expand import expand
from sampan.builder.dockerfile.instructions import Arg
from sampan.builder.dockerfile.stages import Dockerfile
from sampan.builder.epoch import EPOCH_ARGUMENT
from sampan.oci.platform import Platform

PROXIES = frozenset(
    name
    for upper in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (upper, upper.lower())
)


_CONTROL = "BUILDKIT_"  # arguments to the builder itself


def platform_arguments(target: Platform, build: Platform, stage: str) -> dict[str, str]:
    """The predefined names."""
    found = {"TARGETSTAGE": stage or "default"}
    for prefix, platform in (("TARGET", target), ("BUILD", build)):
        found[f"{prefix}PLATFORM"] = str(platform)
        found[f"{prefix}OS"] = platform.os
        found[f"{prefix}ARCH"] = platform.architecture
        found[f"{prefix}VARIANT"] = platform.variant
    return found


@dataclass(slots=True)
class GlobalScope:
    """What FROM lines see. `given` is what the client said: None means a name without value."""

    given: Mapping[str, str | None]
    values: dict[str, str]
    escape: str

    def declare(self, instruction: Arg) -> None:
        for name, default in instruction.names:
            name = expand(name, self.values, self.escape)
            value = self.given.get(name)
            if value is None and default is not None:
                value = expand(default, self.values, self.escape)
            if value is not None:
                self.values[name] = value

    def expand(self, word: str) -> str:
        return expand(word, self.values, self.escape)


@dataclass(slots=True)
class StageScope:
    """Declared ARGs of one stage and their values; undefined ones are absent from `values`."""

    globals: GlobalScope
    values: dict[str, str] = field(default_factory=dict)
    declared: set[str] = field(default_factory=set)

    def declare(self, name: str, default: str | None) -> None:
        """The client's value beats the default, which beats the global one."""
        self.declared.add(name)
        value = self.globals.given.get(name)
        if value is None:
            value = default if default is not None else self.globals.values.get(name)
        if value is not None:
            self.values[name] = value

    def visible(self, environment: Mapping[str, str]) -> dict[str, str]:
        """For expansion: ENV wins over ARG."""
        return {**self.values, **environment}

    def referenced(self, environment: Mapping[str, str]) -> dict[str, str]:
        """What RUN gets beside the environment and history shows, sorted by name."""
        return {
            name: value for name, value in sorted(self.values.items()) if name not in environment
        }

    def proxies(self) -> dict[str, str]:
        """Proxy variables that the client gave and nobody declared."""
        return {
            name: value
            for name, value in self.globals.given.items()
            if name in PROXIES and name not in self.declared and value is not None
        }


def unused_arguments(dockerfile: Dockerfile, given: Mapping[str, str | None]) -> list[str]:
    """Names from the client that no ARG of the file declares."""
    declared = {name for arg in dockerfile.global_args for name, _ in arg.names}
    for stage in dockerfile.stages:
        for instruction in stage.instructions:
            if isinstance(instruction, Arg):
                declared |= {name for name, _ in instruction.names}
    unused = set(given) - declared - PROXIES - {EPOCH_ARGUMENT}
    return sorted(name for name in unused if not name.startswith(_CONTROL))
