"""Restart policies: is an ended container started again, and after how long. Pure.

    ended --(policy says yes, after delay)--> started again
      '--(no)--> exited

The delay starts at 100 ms, doubles with each restart up to a minute, and starts anew after a run
of ten seconds (moby restartmanager).
"""

from dataclasses import dataclass

from sampan.errors import InvalidArgument
from sampan.wire.containers import RestartSettings

FIRST_DELAY_S = 0.1
MAX_DELAY_S = 60.0
GOOD_RUN_S = 10.0
_NAMES = ("", "no", "always", "on-failure", "unless-stopped")


@dataclass(frozen=True, slots=True)
class Decision:
    restart: bool
    delay_s: float  # before it, and the base of the next one
    reason: str


def check(policy: RestartSettings, *, auto_remove: bool) -> None:
    """Raises InvalidArgument in Docker's words."""
    if policy.Name not in _NAMES:
        raise InvalidArgument(f"invalid restart policy: unknown policy '{policy.Name}'")
    if policy.MaximumRetryCount and policy.Name != "on-failure":
        raise InvalidArgument(
            "invalid restart policy: maximum retry count can only be used with 'on-failure'"
        )
    if policy.MaximumRetryCount < 0:
        raise InvalidArgument("invalid restart policy: maximum retry count cannot be negative")
    if auto_remove and policy.Name not in {"", "no"}:
        raise InvalidArgument("can't create 'AutoRemove' container with restart policy")


def after_exit(
    policy: RestartSettings,
    *,
    exit_code: int,
    run_s: float,
    restart_count: int,
    last_delay_s: float,
    stopped_by_user: bool,
) -> Decision:
    """What to do when a container has ended. `last_delay_s` is 0 if it wasn't restarted before."""
    wanted, reason = _wanted(policy, exit_code, restart_count)
    if stopped_by_user:
        return Decision(False, 0.0, "stopped by the user")
    if not wanted:
        return Decision(False, 0.0, reason)
    if run_s >= GOOD_RUN_S or not last_delay_s:
        delay_s = FIRST_DELAY_S
    else:
        delay_s = min(last_delay_s * 2, MAX_DELAY_S)
    return Decision(True, delay_s, reason)


def _wanted(policy: RestartSettings, exit_code: int, restart_count: int) -> tuple[bool, str]:
    match policy.Name:
        case "always" | "unless-stopped":
            return True, f"policy {policy.Name}"
        case "on-failure" if exit_code == 0:
            return False, "policy on-failure and no failure"
        case "on-failure":
            limit = policy.MaximumRetryCount
            if limit and restart_count >= limit:
                return False, f"restarted {restart_count} times, the maximum"
            return True, f"policy on-failure, exit code {exit_code}"
        case _:
            return False, "no policy"


def at_daemon_start(
    policy: RestartSettings,
    *,
    was_running: bool,
    exit_code: int,
    restart_count: int,
    stopped_by_user: bool,
) -> Decision:
    """Whether a container that doesn't run is started when the daemon comes up.

    `always` starts again even after a manual stop, `unless-stopped` doesn't; `on-failure` only
    what failed (a reboot counts as that: the container was running and has no exit of its own).
    """
    match policy.Name:
        case "always":
            return Decision(True, 0.0, "policy always")
        case "unless-stopped":
            if stopped_by_user:
                return Decision(False, 0.0, "stopped by the user")
            return Decision(True, 0.0, "policy unless-stopped")
        case "on-failure":
            wanted, reason = _wanted(policy, exit_code, restart_count)
            return Decision(wanted and (was_running or exit_code != 0), 0.0, reason)
        case _:
            return Decision(False, 0.0, "no policy")
