"""AppArmor profiles of containers.

    asked for            kernel with AppArmor          kernel without
    nothing              docker-default if loaded      nothing
    nothing, privileged  unconfined                    nothing
    docker-default       that                          nothing, with a warning
    unconfined           that                          nothing
    any other            that; the start fails if      refused: who asks for a profile must not
                         it isn't loaded               believe to have it

Whether there is AppArmor doesn't change while the kernel runs, which profiles are loaded does. We
load none: distributions, and Docker where it is installed, do.
"""

from collections.abc import Sequence
from pathlib import Path

from sampan.errors import InvalidArgument

DEFAULT_PROFILE = "docker-default"
UNCONFINED = "unconfined"
_PARAMETER = Path("/sys/module/apparmor/parameters/enabled")
_PROFILES = Path("/sys/kernel/security/apparmor/profiles")


class NoAppArmor(InvalidArgument):
    def __init__(self, profile: str) -> None:
        super().__init__(
            f'AppArmor is not enabled on this host: profile "{profile}" can\'t be applied'
        )


def enabled(parameter: Path = _PARAMETER, profiles: Path = _PROFILES) -> bool:
    try:
        return parameter.read_text().startswith("Y") and profiles.parent.is_dir()
    except OSError:
        return False


def is_loaded(profile: str, profiles: Path = _PROFILES) -> bool:
    try:
        lines = profiles.read_text().splitlines()
    except OSError:
        return False
    return any(line.rpartition(" (")[0] == profile for line in lines)  # "name (enforce)"


def check(asked: str | None, *, supported: bool) -> Sequence[str]:
    """Warnings. Raises NoAppArmor."""
    if supported or asked in {None, "", UNCONFINED}:
        return ()
    if asked != DEFAULT_PROFILE:
        raise NoAppArmor(str(asked))
    return (f"AppArmor is not enabled on this host: {DEFAULT_PROFILE} has no effect",)


def choose(asked: str | None, *, privileged: bool, supported: bool) -> str:
    """What inspect shows; "" for none."""
    if not supported:
        return ""
    return asked or (UNCONFINED if privileged else DEFAULT_PROFILE)
