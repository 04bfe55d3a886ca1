"""What a conversion couldn't say in the other language.

    dropped   the manifests don't have it: the application may behave differently
    changed   they have it in another form, or somebody must do something first

Each entry names the service (empty: the project), the key as it stands in the Compose file and
the reason. `rest` is what keeps the converters honest: a service key that no converter claims to
have handled is reported, so that nothing is lost silently, keys of tomorrow included.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sampan.compose.model import Project, Service
from sampan.lib.records import Record, defaults

DROPPED, CHANGED = "dropped", "changed"
Read = Callable[[str], bytes | None]  # a file's content; None when it can't be had

# keys that say how to work on the project, not what runs
UNSEEN = frozenset(
    ("name", "extensions", "profiles", "attach", "develop", "label_file", "env_file", "scale")
)


class Entry(Record, frozen=True):
    service: str
    key: str
    kind: str
    reason: str


class Source(Record, frozen=True, kw_only=True):
    """What is converted: a project whose services still tell what came from their env files.

    `from_env_files` has, by service, the variables that only its env files set.
    """

    project: Project
    from_env_files: Mapping[str, Mapping[str, str]] = {}
    read: Read


class Report:
    """Entries in the order in which they were found, each once."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str, str], Entry] = {}

    def dropped(self, service: str, key: str, reason: str) -> None:
        self._add(Entry(service, key, DROPPED, reason))

    def changed(self, service: str, key: str, reason: str) -> None:
        self._add(Entry(service, key, CHANGED, reason))

    def _add(self, entry: Entry) -> None:
        self._entries.setdefault((entry.service, entry.key, entry.reason), entry)

    @property
    def entries(self) -> list[Entry]:
        return list(self._entries.values())

    @property
    def lossy(self) -> bool:
        return any(entry.kind == DROPPED for entry in self._entries.values())

    def lines(self) -> list[str]:
        """One line each, whatever the Compose file has in its names."""
        texts = (
            f"{each.kind}: {each.service or '(project)'}: {each.key}: {each.reason}"
            for each in self.entries
        )
        return ["".join(sign if sign.isprintable() else " " for sign in text) for text in texts]

    def plain(self) -> list[dict[str, str]]:
        return [
            {"service": e.service, "key": e.key, "kind": e.kind, "reason": e.reason}
            for e in self.entries
        ]

    def rest(
        self, service: Service, handled: Iterable[str], reasons: Mapping[str, str], other: str
    ) -> None:
        """Drops every key that is set and that nobody handled."""
        known = UNSEEN | set(handled)
        for key, default in defaults(Service):
            if key not in known and getattr(service, key) != default:
                self.dropped(service.name, key, reasons.get(key, other))

    def fields(
        self, service: str, key: str, record: Record | None, reasons: Mapping[str, str]
    ) -> None:
        """Drops the fields of `record` named in `reasons` that are set."""
        for name, reason in reasons.items():
            if record is not None and getattr(record, name) != record.__defaults__[name]:
                self.dropped(service, f"{key}.{name}", reason)


def filled(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Without the keys that hold nothing: None and what is empty; 0 and False stay."""
    return {
        key: value
        for key, value in tree.items()
        if value is not None and not (isinstance(value, str | list | dict) and not value)
    }
