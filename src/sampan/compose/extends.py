"""`extends`: a service that begins as a copy of another one, of this file or of another.

The base is merged first, its own `extends` included; what the extending service says goes on top.
`!reset` and `!override` of the extending file act on the copy.
"""

import copy
from collections.abc import Callable
from typing import Any

from sampan.compose.failures import BadKey, FileMissing, Path
from sampan.compose.merge import merge_service
from sampan.lib.records import Record

Services = dict[str, Any]


class Base(Record, frozen=True):
    """The services of a file and the paths that its tags take away."""

    file: str
    services: Services
    resets: tuple[Path, ...] = ()


LoadBase = Callable[[str], Base]  # by path as written; paths in it are already absolute
Trail = tuple[tuple[str, str], ...]


def apply_extends(here: Base, load: LoadBase) -> None:
    """Resolves every `extends` of the file's services, in place; raises BadKey."""
    for name in list(here.services):
        here.services[name] = _extended(name, here, load, ((here.file, name),))


def reset(tree: Any, resets: tuple[Path, ...]) -> None:
    """Takes the paths away from `tree`, whose mappings may lack them."""
    for path in resets:
        place = tree
        for key in path[:-1]:
            place = place.get(key) if isinstance(place, dict) else None
        if isinstance(place, dict) and path:
            place.pop(path[-1], None)


def _extended(name: str, here: Base, load: LoadBase, trail: Trail) -> Any:
    service = here.services.get(name)
    path = ("services", name)
    if service is None:
        return None
    if not isinstance(service, dict):
        raise BadKey(path, f"services.{name} must be a mapping", whole=True)
    if "extends" not in service:
        return service
    reference, file = _reference(service["extends"], name)
    if file is None:
        base = here
        if reference not in base.services:
            problem = (
                f'cannot extend service "{name}" in {here.file}: service "{reference}" not found'
            )
            raise BadKey((*path, "extends"), problem, whole=True)
    else:
        try:
            base = load(file)
        except FileMissing as error:
            raise BadKey((*path, "extends"), error.message, whole=True) from error
        if reference not in base.services:
            problem = (
                f'cannot extend service "{name}" in {here.file}: service "{reference}" '
                f"not found in {file}"
            )
            raise BadKey((*path, "extends"), problem, whole=True)
    trail = _step(trail, base.file, reference, path)
    source = _extended(reference, base, load, trail)
    if source is None:
        return service
    source = copy.deepcopy(source)
    reset({"services": {name: source}}, here.resets)
    merged = merge_service(source, service, name)
    merged.pop("extends", None)
    here.services[name] = merged
    return merged


def _reference(value: Any, name: str) -> tuple[str, str | None]:
    if isinstance(value, str):
        return value, None
    if not isinstance(value, dict) or not isinstance(value.get("service"), str):
        path = ("services", name, "extends")
        raise BadKey(path, f"extends.{name}.service is required", whole=True)
    return value["service"], value.get("file")


def _step(trail: Trail, file: str, reference: str, path: Path) -> Trail:
    """The way so far with one more step; raises BadKey if it comes back to where it was."""
    here = (file, reference)
    if here in trail:
        lines = ["Circular reference:", f"  {trail[0][1]} in {trail[0][0]}"]
        lines += [f"  extends {service} in {at}" for at, service in (*trail[1:], here)]
        raise BadKey((*path, "extends"), "\n".join(lines), whole=True)
    return (*trail, here)
