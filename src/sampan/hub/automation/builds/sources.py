"""SQL on build sources: which git repository a repository is built from, and by which rules.

Callers have checked the rights. The secrets (of the trigger, the deploy key's private half, build
arguments) are sealed; a source for ssh gets a key pair of its own when it is linked.
"""

import json
import re
import secrets
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, delete, insert, select, update

from sampan.errors import InvalidArgument, NotFound
from sampan.hub.automation.builds.remotes import Remote
from sampan.hub.automation.builds.rules import DEFAULT_RULE, RULES_MOST, BadRule, Rule, check_rule
from sampan.hub.automation.rows import record_of
from sampan.hub.automation.schema import build_rules, build_source_refs, build_sources
from sampan.hub.automation.sealing import Sealer

POLL_CHOICES_S = (0, 60, 300, 900, 3600, 86400)
ARGUMENTS_MOST = 50
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_VALUE_MOST = 4096


@dataclass(frozen=True, slots=True)
class Source:
    """`deploy_key`, `trigger_secret` and `arguments` are sealed."""

    repository_id: int
    url: str
    trigger_id: str
    trigger_secret: str
    deploy_key: str
    deploy_key_public: str
    arguments: str
    poll_s: int
    polled_ns: int
    poll_error: str
    linked_by: str


class NoSource(NotFound):
    def __init__(self) -> None:
        super().__init__("the repository isn't linked to a source")


def link(
    connection: Connection, repository_id: int, remote: Remote, *, who: str, sealer: Sealer
) -> Source:
    """Link, or change the address; rules, arguments and the trigger stay as they are."""
    held = find(connection, repository_id)
    if held is None:
        connection.execute(
            insert(build_sources).values(
                repository_id=repository_id,
                trigger_id=str(uuid.uuid4()),
                trigger_secret=sealer.seal(secrets.token_urlsafe(32)),
                arguments=sealer.seal("{}"),
                created_ns=time.time_ns(),
                url=remote.url,
                linked_by=who,
            )
        )
        set_rules(connection, repository_id, [DEFAULT_RULE])
    elif held.url != remote.url:
        _set(connection, repository_id, url=remote.url, linked_by=who, poll_error="", polled_ns=0)
        _forget_refs(connection, repository_id)
    found = get(connection, repository_id)
    if remote.scheme == "ssh" and not found.deploy_key:
        private, public = _new_key()
        _set(
            connection,
            repository_id,
            deploy_key=sealer.seal(private),
            deploy_key_public=public,
        )
    return get(connection, repository_id)


def _new_key() -> tuple[str, str]:
    """A private key as OpenSSH writes it, and the line for the git server."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    ).decode()
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return private, f"{public.decode()} sampan-hub"


def unlink(connection: Connection, repository_id: int) -> None:
    """Its builds stay in the list. Raises NoSource."""
    gone = connection.execute(
        delete(build_sources).where(build_sources.c.repository_id == repository_id)
    )
    if not gone.rowcount:
        raise NoSource


def find(connection: Connection, repository_id: int) -> Source | None:
    row = connection.execute(
        select(build_sources).where(build_sources.c.repository_id == repository_id)
    ).first()
    return record_of(Source, row) if row else None


def get(connection: Connection, repository_id: int) -> Source:
    """Raises NoSource."""
    found = find(connection, repository_id)
    if found is None:
        raise NoSource
    return found


def find_by_trigger(connection: Connection, trigger_id: str) -> Source | None:
    row = connection.execute(
        select(build_sources).where(build_sources.c.trigger_id == trigger_id)
    ).first()
    return record_of(Source, row) if row else None


def list_rules(connection: Connection, repository_id: int) -> list[Rule]:
    rows = connection.execute(
        select(build_rules)
        .where(build_rules.c.repository_id == repository_id)
        .order_by(build_rules.c.position)
    )
    return [record_of(Rule, row) for row in rows]


def set_rules(connection: Connection, repository_id: int, rules: Sequence[Rule]) -> None:
    """All of them, in order. Raises BadRule."""
    if len(rules) > RULES_MOST:
        raise BadRule(f"a source has at most {RULES_MOST} rules")
    checked = [check_rule(rule) for rule in rules]
    connection.execute(delete(build_rules).where(build_rules.c.repository_id == repository_id))
    for position, rule in enumerate(checked):
        values = {name: getattr(rule, name) for name in Rule.__slots__}
        connection.execute(
            insert(build_rules).values(repository_id=repository_id, position=position, **values)
        )


def set_poll(connection: Connection, repository_id: int, poll_s: int) -> None:
    if poll_s not in POLL_CHOICES_S:
        raise InvalidArgument("choose how often the source is looked at")
    _set(connection, repository_id, poll_s=poll_s, polled_ns=0, poll_error="")


def renew_trigger(connection: Connection, repository_id: int, sealer: Sealer) -> None:
    _set(connection, repository_id, trigger_secret=sealer.seal(secrets.token_urlsafe(32)))


def parse_arguments(text: str) -> dict[str, str]:
    """Lines NAME=value. Raises InvalidArgument."""
    found: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, equals, value = line.partition("=")
        if not equals or not _NAME.fullmatch(name) or len(value) > _VALUE_MOST:
            raise InvalidArgument("build arguments are lines NAME=value")
        found[name] = value
    if len(found) > ARGUMENTS_MOST:
        raise InvalidArgument(f"there are at most {ARGUMENTS_MOST} build arguments")
    return found


def set_arguments(
    connection: Connection, repository_id: int, arguments: Mapping[str, str], sealer: Sealer
) -> None:
    _set(connection, repository_id, arguments=sealer.seal(json.dumps(dict(arguments))))


def arguments_of(source: Source, sealer: Sealer) -> dict[str, str]:
    found: dict[str, str] = json.loads(sealer.open(source.arguments))
    return found


def list_due(connection: Connection, now_ns: int) -> list[Source]:
    """Those whose time to be polled has come."""
    due_ns = build_sources.c.polled_ns + build_sources.c.poll_s * 10**9
    rows = connection.execute(
        select(build_sources).where(build_sources.c.poll_s > 0, due_ns <= now_ns)
    )
    return [record_of(Source, row) for row in rows]


def note_poll(connection: Connection, repository_id: int, now_ns: int, error: str) -> None:
    _set(connection, repository_id, polled_ns=now_ns, poll_error=error[:255])


def known_refs(connection: Connection, repository_id: int) -> dict[str, str]:
    rows = connection.execute(
        select(build_source_refs.c.ref, build_source_refs.c.commit).where(
            build_source_refs.c.repository_id == repository_id
        )
    )
    return {row.ref: row.commit for row in rows}


def set_refs(connection: Connection, repository_id: int, refs: Mapping[str, str]) -> None:
    """All that there are now."""
    _forget_refs(connection, repository_id)
    for ref, commit in refs.items():
        connection.execute(
            insert(build_source_refs).values(repository_id=repository_id, ref=ref, commit=commit)
        )


def note_ref(connection: Connection, repository_id: int, ref: str, commit: str) -> None:
    """A trigger told of it: polling needn't find it again."""
    refs = build_source_refs
    changed = connection.execute(
        update(refs)
        .where(refs.c.repository_id == repository_id, refs.c.ref == ref)
        .values(commit=commit)
    )
    if not changed.rowcount and known_refs(connection, repository_id):
        connection.execute(insert(refs).values(repository_id=repository_id, ref=ref, commit=commit))


def _forget_refs(connection: Connection, repository_id: int) -> None:
    connection.execute(
        delete(build_source_refs).where(build_source_refs.c.repository_id == repository_id)
    )


def _set(connection: Connection, repository_id: int, **values: object) -> None:
    connection.execute(
        update(build_sources).where(build_sources.c.repository_id == repository_id).values(**values)
    )
