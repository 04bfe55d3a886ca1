"""What a canonical tree must satisfy beyond its schema: keys that exclude or need each other."""

from collections.abc import Callable
from typing import Any

from sampan.compose.failures import BadKey, Path
from sampan.compose.rules import Rules, children


def check_tree(value: Any, path: Path = ()) -> None:
    """Raises BadKey for the first fault."""
    step = _CHECKS.find(path)
    if step is not None:
        step(value, path)
        return
    for _, text, child in children(value):
        check_tree(child, (*path, text))


def _volume(value: Any, path: Path) -> None:
    if not isinstance(value, dict) or value.get("external") is not True:
        return
    for key in value:
        if key not in {"name", "external"} and not key.startswith("x-"):
            raise BadKey(path, f'conflicting parameters "external" and "{key}" specified')


def _content(*keys: str) -> Callable[[Any, Path], None]:
    def check(value: Any, path: Path) -> None:
        given = [key for key in keys if key in (value or {})]
        if len(given) > 1:
            raise BadKey(path, f"{'|'.join(keys)} attributes are mutually exclusive")
        if not given and not {"driver", "external"} & set(value or {}):
            raise BadKey(path, f"one of {'|'.join(keys)} must be set")

    return check


def _port(value: Any, path: Path) -> None:
    address = value.get("host_ip") if isinstance(value, dict) else None
    if address is None:
        return
    import ipaddress

    try:
        ipaddress.ip_address(address)
    except ValueError as error:
        raise BadKey(path, f"invalid ip address: {address}") from error


def _watched(value: Any, path: Path) -> None:
    if value == "":
        raise BadKey(path, "value can't be blank")


def _device(value: Any, path: Path) -> None:
    if isinstance(value, dict) and "count" in value and "device_ids" in value:
        raise BadKey(path, '"count" and "device_ids" attributes are exclusive')


_CHECKS: Rules[Callable[[Any, Path], None]] = Rules(
    {
        "volumes.*": _volume,
        "configs.*": _content("file", "environment", "content"),
        "secrets.*": _content("file", "environment"),
        "services.*.ports.*": _port,
        "services.*.develop.watch.*.path": _watched,
        "services.*.deploy.resources.reservations.devices.*": _device,
        "services.*.gpus.*": _device,
    }
)
