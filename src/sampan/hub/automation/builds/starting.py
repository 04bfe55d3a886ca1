"""Builds that a person asks for."""

from sqlalchemy import Connection

from sampan.errors import InvalidArgument
from sampan.hub.automation.builds import queue, sources
from sampan.hub.automation.builds.queue import Build, Trigger
from sampan.hub.automation.builds.rules import BRANCH, TAG, Ref, Rule, matches


class NoRule(InvalidArgument):
    def __init__(self, ref: Ref) -> None:
        super().__init__(f"no rule is about the {ref.kind} {ref.name}")


def start_builds(
    connection: Connection, repository_id: int, kind: str, name: str, *, who: str
) -> list[int]:
    """One for each rule about the ref, also those that don't build by themselves.

    Raises NoSource, NoRule, InvalidArgument.
    """
    sources.get(connection, repository_id)
    if kind not in {BRANCH, TAG} or not name or len(name) > 255 or name.startswith("-"):
        raise InvalidArgument("name a branch or a tag of the source")
    ref = Ref(kind, name)
    found = matches(sources.list_rules(connection, repository_id), ref)
    if not found:
        raise NoRule(ref)
    return [
        queue.enqueue(connection, repository_id, ref, rule, tag, trigger=Trigger.MANUAL, who=who)
        for rule, tag in found
    ]


def start_again(connection: Connection, build: Build, *, who: str) -> int:
    """The same ref to the same tag, at whatever commit the ref is now. Raises NoSource."""
    sources.get(connection, build.repository_id)
    rule = Rule(
        build.source_type,
        build.source_ref,
        build.tag,
        build.dockerfile,
        build.build_context,
        build_caching=build.build_caching,
    )
    return queue.enqueue(
        connection, build.repository_id, build.ref, rule, build.tag, trigger=Trigger.MANUAL, who=who
    )
