"""`--change` of import and commit: Dockerfile instructions on an image's configuration."""

import posixpath
from collections.abc import Sequence

import msgspec

from sampan.builder.dockerfile import instructions as kinds
from sampan.builder.dockerfile.expand import expand, expand_words
from sampan.builder.dockerfile.stages import parse_changes
from sampan.builder.lower.metadata import parse_ports
from sampan.builder.lower.stage import DEFAULT_SHELL, environment, to_list
from sampan.oci.image_config import HealthSpec, ImageRunConfig
from sampan.runtime.signals import parse_signal

_ESCAPE = "\\"


def apply_changes(config: ImageRunConfig, changes: Sequence[str]) -> ImageRunConfig:
    """Each instruction sees what those before it left. Raises InvalidArgument kinds."""
    change = _Changing(config)
    for instruction in parse_changes(list(changes)):
        change.apply(instruction)
    return change.config


class _Changing:
    def __init__(self, config: ImageRunConfig) -> None:
        self.config = config
        self._cmd_set = False

    def apply(self, instruction: kinds.Instruction) -> None:
        match instruction:
            case kinds.Cmd():
                self._set(Cmd=self._stored(instruction.command))
                self._cmd_set = True
            case kinds.Entrypoint():
                self._set(Entrypoint=self._stored(instruction.command))
                if not self._cmd_set:
                    self._set(Cmd=None)
            case kinds.HealthCheck():
                self._set(Healthcheck=_health(instruction))
            case kinds.OnBuild():
                self._set(OnBuild=[*(self.config.OnBuild or ()), instruction.expression])
            case kinds.StopSignal():
                signal = self._expand(instruction.signal)
                parse_signal(signal)
                self._set(StopSignal=signal)
            case kinds.User():
                self._set(User=self._expand(instruction.user))
            case kinds.Workdir():
                path = posixpath.join("/", self.config.WorkingDir, self._expand(instruction.path))
                self._set(WorkingDir=posixpath.normpath(path))
            case _:
                self._add(instruction)

    def _add(self, instruction: kinds.Instruction) -> None:
        """Instructions that add to a set."""
        match instruction:
            case kinds.Env():
                variables = environment(self.config)
                variables.update(self._pairs(instruction.pairs))
                self._set(Env=to_list(variables))
            case kinds.Label():
                labels = {**(self.config.Labels or {}), **self._pairs(instruction.pairs)}
                self._set(Labels=labels)
            case kinds.Expose():
                ports = dict(self.config.ExposedPorts or {})
                for word in instruction.ports:
                    for text in expand_words(word, environment(self.config), _ESCAPE):
                        ports.update({port: {} for port in parse_ports(text)})
                self._set(ExposedPorts=ports)
            case kinds.Volume():
                volumes = dict(self.config.Volumes or {})
                volumes.update({self._expand(path): {} for path in instruction.paths})
                self._set(Volumes=volumes)
            case _:
                raise AssertionError(f"not a change: {instruction.text}")

    def _set(self, **fields: object) -> None:
        self.config = msgspec.structs.replace(self.config, **fields)

    def _expand(self, word: str) -> str:
        return expand(word, environment(self.config), _ESCAPE)

    def _pairs(self, pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
        return {self._expand(name): self._expand(value) for name, value in pairs}

    def _stored(self, command: kinds.Command) -> list[str]:
        return command.argv(tuple(self.config.Shell or DEFAULT_SHELL)) if command.words else []


def _health(instruction: kinds.HealthCheck) -> HealthSpec:
    command = instruction.command
    if command is None:
        test = ["NONE"]
    else:
        test = ["CMD-SHELL" if command.shell_form else "CMD", *command.words]
    return HealthSpec(
        Test=test,
        Interval=instruction.interval_ns,
        Timeout=instruction.timeout_ns,
        StartPeriod=instruction.start_period_ns,
        StartInterval=instruction.start_interval_ns,
        Retries=instruction.retries,
    )
