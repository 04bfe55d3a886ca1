"""Events on the wire: one JSON object each (Engine API v1.51 EventMessage).

Up to API 1.51 container and image events repeat `status`, `id` and `from` of the time before
events had types; CLI and compose read the new fields, old clients the old ones.
"""

from collections.abc import Mapping

_LEGACY_TYPES = frozenset({"container", "image"})
_NANOS = 1_000_000_000


def event_message(
    *,
    kind: str,
    action: str,
    actor_id: str,
    attributes: Mapping[str, str],
    scope: str,
    time_ns: int,
) -> dict[str, object]:
    """The JSON object of one event, in Docker's order of fields."""
    legacy: dict[str, object] = {}
    if kind in _LEGACY_TYPES:
        legacy = {"status": action, "id": actor_id}
        if origin := attributes.get("image", ""):
            legacy["from"] = origin
    return legacy | {
        "Type": kind,
        "Action": action,
        "Actor": {"ID": actor_id, "Attributes": dict(sorted(attributes.items()))},
        "scope": scope,
        "time": time_ns // _NANOS,
        "timeNano": time_ns,
    }
