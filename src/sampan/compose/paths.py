"""Paths in a Compose file: relative ones start at the project's (or included file's) directory."""

import os.path
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

from sampan.compose.failures import BadKey, Path
from sampan.compose.rules import Rules, children

_REMOTE = ("https://", "http://", "git://", "ssh://", "github.com/", "git@")
_WINDOWS = 3  # C:\


class Resolver:
    """Makes the paths of a canonical tree start at `base`, in place. `home` is what `~` means."""

    def __init__(self, base: str, home: str) -> None:
        self._base = base
        self._home = home

    def resolve(self, value: Any, path: Path = ()) -> Any:
        step = _PLACES.find(path)
        if step is not None:
            return step(self, value, path)
        for key, text, child in children(value):
            value[key] = self.resolve(child, (*path, text))
        return value

    def absolute(self, value: Any, path: Path) -> Any:
        if not isinstance(value, str) or not value:
            return value
        if value.startswith("~") and self._home:
            value = os.path.normpath(f"{self._home}/{value[1:]}")
        return value if value.startswith("/") else os.path.normpath(f"{self._base}/{value}")

    def maybe_windows(self, value: Any, path: Path) -> Any:
        windows = isinstance(value, str) and (
            value.startswith("\\\\") or (len(value) >= _WINDOWS and value[1:3] in (":\\", ":/"))
        )
        if value == "":
            return self._base
        return value if windows else self.absolute(value, path)

    def context(self, value: Any, path: Path) -> Any:
        if not isinstance(value, str) or "://" in value or value.startswith(("service:", *_REMOTE)):
            return value
        return self.absolute(value, path)

    def watched(self, value: Any, path: Path) -> Any:
        """The first symbolic link on the way is followed: events come from where it leads."""
        value = self.absolute(value, path)
        if not isinstance(value, str):
            return value
        parts = FilePath(value).parts
        for length in range(1, len(parts) + 1):
            place = os.path.join(*parts[:length])  # noqa: PTH118 - the text is kept as it stands
            if os.path.islink(place):  # noqa: PTH114
                return value.replace(place, os.path.realpath(place), 1)
        return value

    def mount(self, value: Any, path: Path) -> Any:
        if not isinstance(value, dict) or value.get("type") != "bind":
            return value
        if "source" not in value:
            problem = 'invalid mount config for type "bind": field Source must not be empty'
            raise BadKey(path, problem, whole=True)
        value["source"] = self.maybe_windows(value["source"], path)
        return value

    def driver_options(self, value: Any, path: Path) -> Any:
        """The local driver's bind mounts."""
        if isinstance(value, dict) and value.get("driver") == "local":
            options = value.get("driver_opts")
            if isinstance(options, dict) and options.get("o") == "bind" and "device" in options:
                options["device"] = self.maybe_windows(options["device"], path)
        return value


_PLACES: Rules[Callable[[Resolver, Any, Path], Any]] = Rules(
    {
        "services.*.build.context": Resolver.context,
        "services.*.build.additional_contexts.*": Resolver.context,
        "services.*.build.ssh.*": Resolver.maybe_windows,
        "services.*.env_file.*.path": Resolver.absolute,
        "services.*.label_file.*": Resolver.absolute,
        "services.*.extends.file": Resolver.absolute,
        "services.*.develop.watch.*.path": Resolver.watched,
        "services.*.volumes.*": Resolver.mount,
        "configs.*.file": Resolver.maybe_windows,
        "secrets.*.file": Resolver.maybe_windows,
        "volumes.*": Resolver.driver_options,
    }
)
