"""Docker's token scopes: `repository:team/app:pull,push`, `registry:catalog:*`. Pure.

A scope that can't be read is left out, as Docker's own token servers do: the client then gets a
token that doesn't open what it wanted, and the registry says so. Actions of the registry are
pull, push, delete; `*` stands for all three.
"""

from collections.abc import Iterable
from dataclasses import dataclass

PULL, PUSH, DELETE, ALL = "pull", "push", "delete", "*"
ACTIONS = (PULL, PUSH, DELETE)
REPOSITORY, REGISTRY = "repository", "registry"
CATALOG = "catalog"
MOST_SCOPES = 20  # one for the repository and some to mount from
NAME_MOST = 255


@dataclass(frozen=True, slots=True)
class Grant:
    """One entry of a token's access list, and of what is asked for."""

    type: str
    name: str
    actions: tuple[str, ...]


def parse_scopes(values: Iterable[str]) -> tuple[Grant, ...]:
    """From repeated parameters; each may hold several, parted by blanks."""
    wanted: dict[tuple[str, str], set[str]] = {}
    for word in " ".join(values).split()[:MOST_SCOPES]:
        kind, _, rest = word.partition(":")
        name, _, actions = rest.rpartition(":")  # a name may hold a port: host:5000/app
        kind = kind.partition("(")[0]  # repository(plugin): the class is of no use here
        if kind in {REPOSITORY, REGISTRY} and name and len(name) <= NAME_MOST:
            wanted.setdefault((kind, name), set()).update(_known(kind, actions))
    return tuple(
        Grant(kind, name, tuple(sorted(actions)))
        for (kind, name), actions in wanted.items()
        if actions
    )


def _known(kind: str, actions: str) -> set[str]:
    given = set(actions.split(","))
    if kind == REGISTRY:
        return given & {ALL}
    return set(ACTIONS) if ALL in given else given & set(ACTIONS)


def challenge(realm: str, service: str, grants: Iterable[Grant], *, error: str = "") -> str:
    """The value of WWW-Authenticate. Names were checked: they hold no quotes."""
    parts = [f'realm="{realm}"', f'service="{service}"']
    scopes = [f"{grant.type}:{grant.name}:{','.join(grant.actions)}" for grant in grants]
    if scopes:
        parts.append(f'scope="{" ".join(scopes)}"')
    if error:
        parts.append(f'error="{error}"')
    return "Bearer " + ",".join(parts)
