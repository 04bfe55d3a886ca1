"""Variables in a tree's values, and the types that keys want after it.

Only values are interpolated, never keys. Where a key holds a number or a switch, text becomes one
here, so that `replicas: ${N}` passes the schema.
"""

from collections.abc import Callable, Iterator
from typing import Any

from sampan.compose.failures import BadKey, Path, dotted
from sampan.compose.rules import Rules, children
from sampan.compose.template import (
    BadTemplate,
    Lookup,
    Reference,
    Report,
    VariableMissing,
    references,
    substitute,
    unset_warning,
)

_YES = {"y", "yes", "on", "true"}
_NO = {"n", "no", "off", "false"}


def to_int(text: str) -> int:
    return int(text, 10)


def to_bool(text: str) -> bool:
    if text.lower() in _YES:
        return True
    if text.lower() in _NO:
        return False
    raise ValueError(f"invalid boolean: {text}")


_SERVICE_CASTS: dict[str, Callable[[str], Any]] = {
    "cpu_count": to_int,
    "cpu_percent": float,
    "cpu_period": to_int,
    "cpu_quota": to_int,
    "cpu_rt_period": to_int,
    "cpu_rt_runtime": to_int,
    "cpus": float,
    "cpu_shares": to_int,
    "init": to_bool,
    "deploy.replicas": to_int,
    "deploy.update_config.parallelism": to_int,
    "deploy.update_config.max_failure_ratio": float,
    "deploy.rollback_config.parallelism": to_int,
    "deploy.rollback_config.max_failure_ratio": float,
    "deploy.restart_policy.max_attempts": to_int,
    "deploy.placement.max_replicas_per_node": to_int,
    "healthcheck.retries": to_int,
    "healthcheck.disable": to_bool,
    "oom_kill_disable": to_bool,
    "oom_score_adj": to_int,
    "pids_limit": to_int,
    "ports.*.target": to_int,
    "privileged": to_bool,
    "read_only": to_bool,
    "scale": to_int,
    "stdin_open": to_bool,
    "tty": to_bool,
    "ulimits.*": to_int,
    "ulimits.*.hard": to_int,
    "ulimits.*.soft": to_int,
    "volumes.*.read_only": to_bool,
    "volumes.*.volume.nocopy": to_bool,
}
_CASTS: Rules[Callable[[str], Any]] = Rules(
    {f"services.*.{key}": cast for key, cast in _SERVICE_CASTS.items()}
    | {
        f"networks.*.{key}": to_bool
        for key in ("external", "internal", "attachable", "enable_ipv4", "enable_ipv6")
    }
    | {f"{kind}.*.external": to_bool for kind in ("volumes", "secrets", "configs")}
)


def interpolate(tree: Any, lookup: Lookup, warn: Report, path: Path = ()) -> Any:
    """A copy of `tree` with variables replaced; `warn` takes messages. Raises BadKey."""
    if isinstance(tree, dict):
        return {k: interpolate(v, lookup, warn, (*path, k)) for k, v in tree.items()}
    if isinstance(tree, list):
        return [interpolate(v, lookup, warn, (*path, str(i))) for i, v in enumerate(tree)]
    if not isinstance(tree, str):
        return tree
    try:
        text = substitute(tree, lookup, lambda name: warn(unset_warning(name)))
    except BadTemplate as error:
        raise BadKey(
            path,
            f"invalid interpolation format for {dotted(path)}.\n"
            f"You may need to escape any $ with another $.\n{error.text}",
            whole=True,
        ) from error
    except VariableMissing as error:
        problem = f"error while interpolating {dotted(path)}: {error.message}"
        raise BadKey(path, problem, whole=True) from error
    return _cast(text, path, warn)


def _cast(text: str, path: Path, warn: Report) -> Any:
    cast = _CASTS.find(path)
    if cast is None:
        return text
    if cast is to_bool and text.lower() in (_YES | _NO) - {"true", "false"}:
        better = "true" if text.lower() in _YES else "false"
        warn(f'"{text}" for boolean is not supported by YAML 1.2, please use `{better}`')
    try:
        return cast(text)
    except ValueError as error:
        why = str(error) if cast is to_bool else f'"{text}": invalid syntax'
        problem = (
            f"error while interpolating {dotted(path)}: failed to cast to expected type: {why}"
        )
        raise BadKey(path, problem, whole=True) from error


def variables(tree: Any) -> Iterator[Reference]:
    """Every variable that the tree's values mention."""
    if isinstance(tree, str):
        yield from references(tree)
    for _, _, child in children(tree):
        yield from variables(child)
