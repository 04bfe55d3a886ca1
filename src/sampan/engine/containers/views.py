"""Parts that list and inspect share: a record's mounts, networks and status as the API has them.

Pure.
"""

from collections.abc import Iterable

import msgspec

from sampan.engine.containers.record import (
    HEALTH_STARTING,
    Attachment,
    Container,
    Health,
    MountPoint,
    State,
)
from sampan.lib import gotime
from sampan.lib.units import human_duration
from sampan.wire.container_views import HealthResultView, HealthView, MountView
from sampan.wire.containers import EndpointSettings


def status_text(state: State, now_ns: int) -> str:
    """The words of `docker ps`: "Up 3 minutes (healthy)", "Exited (0) 2 hours ago"."""
    up = human_duration((now_ns - state.started_ns) / gotime.NANOS)
    ago = human_duration((now_ns - state.finished_ns) / gotime.NANOS)
    match state.status:
        case "paused":
            return f"Up {up} (Paused)"
        case "restarting":
            return f"Restarting ({state.exit_code}) {ago} ago"
        case "running":
            return f"Up {up}{_health_text(state.health)}"
        case "removing":
            return "Removal In Progress"
        case "dead":
            return "Dead"
        case "created":
            return "Created"
    return f"Exited ({state.exit_code}) {ago} ago"


def _health_text(health: Health | None) -> str:
    if health is None:
        return ""
    word = "health: starting" if health.status == HEALTH_STARTING else health.status
    return f" ({word})"


def health_view(health: Health | None) -> HealthView | None:
    if health is None:
        return None
    return HealthView(
        Status=health.status,
        FailingStreak=health.failing_streak,
        Log=[
            HealthResultView(
                Start=gotime.format_ns(result.started_ns),
                End=gotime.format_ns(result.ended_ns),
                ExitCode=result.exit_code,
                Output=result.output,
            )
            for result in health.log
        ],
    )


def mount_view(point: MountPoint) -> MountView:
    return MountView(
        Type=point.type,
        Name=point.name,
        Source=point.source,
        Destination=point.destination,
        Driver=point.driver,
        Mode=point.mode,
        RW=point.rw,
        Propagation=point.propagation,
    )


def mount_views(points: Iterable[MountPoint]) -> list[MountView]:
    return [mount_view(point) for point in points]


def endpoint_view(attachment: Attachment) -> EndpointSettings:
    """What was asked, with what the container has while it runs."""
    asked, endpoint = attachment.asked, attachment.endpoint
    changes: dict[str, object] = {"NetworkID": attachment.network_id}
    if endpoint is not None:
        changes.update(
            EndpointID=endpoint.id if endpoint.interface else "",
            Gateway=endpoint.gateway,
            IPAddress=endpoint.ipv4,
            MacAddress=endpoint.mac,
            IPPrefixLen=endpoint.prefix,
            IPv6Gateway=endpoint.gateway6,
            GlobalIPv6Address=endpoint.ipv6,
            GlobalIPv6PrefixLen=endpoint.prefix6,
            DNSNames=list(endpoint.dns_names) or None,
        )
    return msgspec.structs.replace(asked, **changes)


def network_views(container: Container) -> dict[str, EndpointSettings]:
    return {name: endpoint_view(one) for name, one in container.networks.items()}


def command_text(argv: Iterable[str]) -> str:
    """As `ps` shows it: arguments with blanks in single quotes, whatever else is in them."""
    first, *rest = argv
    return " ".join([first, *(f"'{word}'" if " " in word else word for word in rest)])
