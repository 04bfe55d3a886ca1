"""Short syntax -> long syntax, and the defaults that belong to it.

After `canonical` every key of a tree has one form: ports, volumes, secrets, env files are lists of
mappings, `depends_on` and `networks` mappings. `set_defaults` then adds what was left out where
Docker Compose writes it. `lenient` leaves alone what can't be parsed: text that still contains
variables.
"""

import posixpath
from collections.abc import Callable
from typing import Any

from sampan.compose.failures import BadKey, Path
from sampan.compose.port_spec import BadPort, parse_ports
from sampan.compose.rules import Rules, children, go_text
from sampan.compose.volume_spec import BadVolume, parse_volume

Step = Callable[[Any, Path, "Canonical"], Any]


class Canonical:
    def __init__(self, *, lenient: bool = False) -> None:
        self.lenient = lenient
        self.warnings: list[str] = []

    def tree(self, value: Any, path: Path = ()) -> Any:
        """`value` in long syntax, changed in place where it can be; raises BadKey."""
        step = _STEPS.find(path)
        return step(value, path, self) if step else self.below(value, path)

    def below(self, value: Any, path: Path) -> Any:
        for key, text, child in children(value):
            value[key] = self.tree(child, (*path, text))
        return value


def _deeper(value: Any, path: Path, run: Canonical) -> Any:
    return run.below(value, path)


def _wrapped(key: str) -> Step:
    """Text is the value of `key`."""

    def step(value: Any, path: Path, run: Canonical) -> Any:
        return {key: value} if isinstance(value, str) else run.below(value, path)

    return step


def _list(value: Any, path: Path, run: Canonical) -> Any:
    return [value] if isinstance(value, str) else value


def _text(value: Any, path: Path, run: Canonical) -> Any:
    return value if isinstance(value, str) else go_text(value)


def _keys(value: Any, path: Path, run: Canonical) -> Any:
    return dict.fromkeys(value) if isinstance(value, list) else value


def _key_values(value: Any, path: Path, run: Canonical) -> Any:
    if not isinstance(value, list):
        return value
    found = {}
    for entry in value:
        key, sign, text = str(entry).partition("=")
        if not sign:
            if run.lenient:
                return value
            raise BadKey(path, f"invalid value {entry}, expected key=value")
        found[key] = text
    return found


def _depends_on(value: Any, path: Path, run: Canonical) -> Any:
    if isinstance(value, list):
        value = {name: {} for name in value}
    for name, dependency in (value or {}).items():
        if not isinstance(dependency, dict):
            raise BadKey((*path, name), f"unsupported value {go_text(dependency)}")
        dependency.setdefault("condition", "service_started")
        dependency.setdefault("required", True)
    return value


def _env_file(value: Any, path: Path, run: Canonical) -> Any:
    found = []
    for entry in [value] if isinstance(value, str | dict) else value or ():
        long = {"path": entry} if isinstance(entry, str) else entry
        long.setdefault("required", True)
        found.append(long)
    return found


def _gpus(value: Any, path: Path, run: Canonical) -> Any:
    return [{"count": "all"}] if isinstance(value, str) else run.below(value, path)


def _volume(value: Any, path: Path, run: Canonical) -> Any:
    if not isinstance(value, str):
        return value
    try:
        found = parse_volume(value)
    except BadVolume as error:
        if run.lenient:
            return value
        raise BadKey(path, error.message, whole=True) from error
    found["target"] = posixpath.normpath(found["target"])
    return found


def _device(value: Any, path: Path, run: Canonical) -> Any:
    if not isinstance(value, str):
        return value
    parts = value.split(":")
    if len(parts) > 3 and not run.lenient:
        problem = f"confusing device mapping, please use long syntax: {value}"
        raise BadKey(path, problem, whole=True)
    source = parts[0] if len(parts) <= 3 else ""
    target = parts[1] if 2 <= len(parts) <= 3 else ""
    permissions = parts[2] if len(parts) == 3 else "rwm"
    return {"source": source, "target": target or source, "permissions": permissions}


def _ports(value: Any, path: Path, run: Canonical) -> Any:
    found: list[Any] = []
    for index, entry in enumerate(value or ()):
        if isinstance(entry, dict):
            found.append(entry)
            continue
        try:
            found += parse_ports(go_text(entry))
        except BadPort as error:
            if run.lenient:
                return value
            raise BadKey((*path, str(index)), error.message, whole=True) from error
    return found


def _ssh(value: Any, path: Path, run: Canonical) -> Any:
    if not isinstance(value, list):
        return value
    found: dict[str, Any] = {}
    for entry in value:
        key, sign, place = str(entry).partition("=")
        if not sign and key != "default":
            raise BadKey(path, f'invalid ssh key "{entry}"', whole=True)
        found[key] = place if sign else None
    return found


def _external(value: Any, path: Path, run: Canonical) -> Any:
    """`external: {name: x}` is the old spelling of `external: true` with `name: x`."""
    if not isinstance(value, dict):
        return value
    run.below(value, path)
    old = value.get("external")
    if isinstance(old, dict):
        value["external"] = True
        if "name" in old:
            where = ".".join(path)
            run.warnings.append(
                f"{where}: external.name is deprecated. Please set name and external: true"
            )
            if value.setdefault("name", old["name"]) != old["name"]:
                raise BadKey(path, "name and external.name conflict; only use name")
    return value


_STEPS: Rules[Step] = Rules(
    {
        "services.*": _deeper,
        "services.*.build": _wrapped("context"),
        "services.*.build.secrets.*": _wrapped("source"),
        "services.*.build.provenance": _text,
        "services.*.build.sbom": _text,
        "services.*.build.additional_contexts": _key_values,
        "services.*.build.ssh": _ssh,
        "services.*.depends_on": _depends_on,
        "services.*.env_file": _env_file,
        "services.*.label_file": _list,
        "services.*.extends": _wrapped("service"),
        "services.*.gpus": _gpus,
        "services.*.networks": _keys,
        "services.*.models": _keys,
        "services.*.volumes.*": _volume,
        "services.*.dns": _list,
        "services.*.devices.*": _device,
        "services.*.secrets.*": _wrapped("source"),
        "services.*.configs.*": _wrapped("source"),
        "services.*.ports": _ports,
        "services.*.develop.watch.*.ignore": _list,
        "services.*.develop.watch.*.include": _list,
        "volumes.*": _external,
        "networks.*": _external,
        "secrets.*": _external,
        "configs.*": _external,
        "include.*": _wrapped("path"),
    }
)


def drop_empty(tree: dict[str, Any]) -> None:
    """Empty entries of `dns` come from variables that aren't set."""
    services = tree.get("services")
    for service in services.values() if isinstance(services, dict) else ():
        if isinstance(service, dict) and isinstance(service.get("dns"), list):
            service["dns"] = [entry for entry in service["dns"] if entry not in ("", None)]


def set_defaults(value: Any, path: Path = ()) -> None:
    step = _DEFAULTS.find(path)
    if step is not None:
        if isinstance(value, dict):
            step(value)
        return
    for _, text, child in children(value):
        set_defaults(child, (*path, text))


def _default_build(value: dict[str, Any]) -> None:
    value.setdefault("context", ".")


def _default_secret(value: dict[str, Any]) -> None:
    value.setdefault("target", f"/run/secrets/{value.get('source')}")


def _default_port(value: dict[str, Any]) -> None:
    value.setdefault("protocol", "tcp")
    value.setdefault("mode", "ingress")


def _default_device(value: dict[str, Any]) -> None:
    if "count" not in value and "device_ids" not in value:
        value["count"] = "all"


_DEFAULTS: Rules[Callable[[dict[str, Any]], None]] = Rules(
    {
        "services.*.build": _default_build,
        "services.*.secrets.*": _default_secret,
        "services.*.ports.*": _default_port,
        "services.*.deploy.resources.reservations.devices.*": _default_device,
        "services.*.gpus.*": _default_device,
    }
)
