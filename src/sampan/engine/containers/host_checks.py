"""What the runtime and the log drivers refuse in a request for a container."""

from collections.abc import Sequence

from sampan.engine.containers.seccomp_choice import security_option
from sampan.logs import drivers
from sampan.runtime import apparmor, limits
from sampan.runtime.facts import HostFacts
from sampan.runtime.runtimes import Runtimes
from sampan.runtime.seccomp import parse_profile
from sampan.wire.containers import ContainerConfig, HostSettings


class RuntimeChecks:
    def __init__(self, *, facts: HostFacts, runtimes: Runtimes) -> None:
        self._facts = facts
        self._runtimes = runtimes

    def check(self, config: ContainerConfig, host: HostSettings) -> Sequence[str]:
        """Warnings; raises InvalidArgument."""
        self._runtimes.get(host.Runtime)
        seccomp = security_option(host, "seccomp")
        if seccomp and seccomp not in {"unconfined", "builtin"}:
            parse_profile(seccomp)
        drivers.check(host.LogConfig.Type, host.LogConfig.Config or {})
        profile = security_option(host, "apparmor")
        warnings = apparmor.check(profile, supported=self._facts.apparmor)
        return [*warnings, *limits.check(host, self._facts)]
