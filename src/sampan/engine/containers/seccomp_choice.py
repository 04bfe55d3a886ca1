"""Which seccomp profile a container gets, resolved and compiled once for equal ones.

`--security-opt seccomp=` may say `unconfined`, `builtin`, or be the profile's text (the CLI sends
the file's content). Thread-safe: a race only computes twice.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sampan.errors import InvalidArgument
from sampan.runtime.facts import HostFacts
from sampan.runtime.seccomp import SeccompPrograms, default_profile, parse_profile, resolve
from sampan.wire.containers import HostSettings

KNOWN = ("no-new-privileges", "seccomp", "apparmor", "label", "systempaths", "writable-cgroups")


class InvalidSecurityOption(InvalidArgument):
    def __init__(self, text: str) -> None:
        super().__init__(f'invalid --security-opt 2: "{text}"')


def security_option(host: HostSettings, wanted: str) -> str | None:
    """The value of one option; None when it isn't given. Raises for options nobody knows."""
    found = None
    for text in host.SecurityOpt or ():
        separator = "=" if "=" in text else ":"
        name, given, value = text.partition(separator)
        if name not in KNOWN or (not given and name != "no-new-privileges"):
            raise InvalidSecurityOption(text)
        if name == wanted:
            found = value
    return found


class SeccompChoice:
    def __init__(self, *, facts: HostFacts, programs: SeccompPrograms) -> None:
        self._facts = facts
        self._programs = programs
        self._known: dict[tuple[str, tuple[str, ...]], dict[str, Any]] = {}
        self._compiled: dict[tuple[str, tuple[str, ...]], Mapping[str, str]] = {}

    def of(
        self, host: HostSettings, capabilities: Sequence[str]
    ) -> tuple[dict[str, Any] | None, Mapping[str, str]]:
        """The OCI profile, and annotations with its compiled form (crun's; others ignore it)."""
        text = security_option(host, "seccomp") or "builtin"
        if text == "unconfined" or host.Privileged:
            return None, {}
        key = (text, tuple(capabilities))
        if key not in self._known:
            self._known[key] = resolve(
                default_profile() if text == "builtin" else parse_profile(text),
                machine=self._facts.machine,
                capabilities=capabilities,
                kernel=self._facts.kernel,
            )
        profile = self._known[key]
        if key not in self._compiled:
            self._compiled[key] = self._programs.annotations(profile)
        return profile, self._compiled[key]
