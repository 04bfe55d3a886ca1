"""The health check flags."""

from __future__ import annotations

from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.flags import Flags

NUMBERS = {
    "health-interval": "Interval",
    "health-timeout": "Timeout",
    "health-start-period": "StartPeriod",
    "health-start-interval": "StartInterval",
    "health-retries": "Retries",
}


def healthcheck(flags: Flags) -> dict[str, object] | None:
    """None when no flag asks for anything. Durations are nanoseconds."""
    command = flags.text("health-cmd")
    numbers = {name: flags.number(name) for name in NUMBERS}
    asked = bool(command) or any(numbers.values())
    if flags.on("no-healthcheck"):
        if asked:
            raise InvalidArgument("--no-healthcheck conflicts with --health-* options")
        return {"Test": ["NONE"]}
    if not asked:
        return None
    for name, value in numbers.items():
        if value < 0:
            raise InvalidArgument(f"--{name} cannot be negative")
    check: dict[str, object] = {"Test": ["CMD-SHELL", command]} if command else {}
    check.update({key: numbers[name] for name, key in NUMBERS.items() if numbers[name]})
    return check
