"""What an account or organisation may keep here at most: storage, and private repositories.

The hub's settings are the plan of everybody; an administrator can give one namespace a quota of
its own (`namespaces.quota_bytes`: NULL the plan's, 0 none at all). Unlimited is None everywhere
else. Every function runs inside the caller's transaction.

Storage is what the namespace's repositories hold: each blob once, however many of its repositories
have it, and the manifests. What a removal sets free counts until gc took it away.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select, update

from sampan.errors import Denied
from sampan.hub.db.schema import USER, blobs, manifests, namespaces, repositories, repository_blobs

UNLIMITED = 0  # in the table


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`private_repositories` is per account and per organisation."""

    private_repositories: int | None = None
    account_bytes: int | None = None
    organisation_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a namespace has of what it may have; None: as much as it likes."""

    name: str
    used_bytes: int
    quota_bytes: int | None
    private: int
    private_most: int | None


class StorageFull(Denied):
    """The registry's code is DENIED."""

    def __init__(self, name: str, used_bytes: int, quota_bytes: int) -> None:
        super().__init__(
            f"this exceeds the storage quota of {name}: "
            f"{used_bytes} of {quota_bytes} bytes are used already"
        )
        self.detail = {"namespace": name, "used": used_bytes, "quota": quota_bytes}


class PrivateFull(Denied):
    def __init__(self, name: str, most: int) -> None:
        what = "one private repository" if most == 1 else f"{most} private repositories"
        super().__init__(f"{name} may have at most {what} on this hub")


def quota_of(connection: Connection, name: str, plan: Plan) -> int | None:
    """Of a namespace by its name, which needn't be there yet (a hub without accounts)."""
    row = connection.execute(
        select(namespaces.c.kind, namespaces.c.quota_bytes).where(namespaces.c.name == name)
    ).first()
    if row is not None and row.quota_bytes is not None:
        return None if row.quota_bytes == UNLIMITED else int(row.quota_bytes)
    is_account = row is not None and row.kind == USER
    return plan.account_bytes if is_account else plan.organisation_bytes


def used_bytes(connection: Connection, name: str) -> int:
    mine = (
        select(repositories.c.id)
        .join(namespaces, namespaces.c.id == repositories.c.namespace_id)
        .where(namespaces.c.name == name)
    )
    held = select(repository_blobs.c.digest).where(repository_blobs.c.repository_id.in_(mine))
    in_blobs = select(func.coalesce(func.sum(blobs.c.size), 0)).where(blobs.c.digest.in_(held))
    in_manifests = select(func.coalesce(func.sum(manifests.c.size), 0)).where(
        manifests.c.repository_id.in_(mine)
    )
    return sum(int(connection.execute(each).scalar_one()) for each in (in_blobs, in_manifests))


def check_storage(connection: Connection, name: str, plan: Plan, *, more_bytes: int = 0) -> None:
    """After what was added in this transaction. Raises StorageFull."""
    quota = quota_of(connection, name, plan)
    if quota is None:
        return
    used = used_bytes(connection, name)
    if used + more_bytes > quota:
        raise StorageFull(name, used, quota)


def count_private(connection: Connection, namespace_id: int) -> int:
    return connection.execute(
        select(func.count()).where(
            repositories.c.namespace_id == namespace_id, repositories.c.is_private
        )
    ).scalar_one()


def check_private(connection: Connection, name: str, plan: Plan) -> None:
    """Before one more becomes private. Raises PrivateFull."""
    if plan.private_repositories is None:
        return
    namespace_id = connection.execute(
        select(namespaces.c.id).where(namespaces.c.name == name)
    ).scalar_one_or_none()
    held = count_private(connection, namespace_id) if namespace_id is not None else 0
    if held >= plan.private_repositories:
        raise PrivateFull(name, plan.private_repositories)


def holdings_of(connection: Connection, name: str, namespace_id: int, plan: Plan) -> Holdings:
    return Holdings(
        name,
        used_bytes(connection, name),
        quota_of(connection, name, plan),
        count_private(connection, namespace_id),
        plan.private_repositories,
    )


def set_quota(connection: Connection, namespace_id: int, quota_bytes: int | None) -> None:
    """None: the plan's; UNLIMITED: none."""
    connection.execute(
        update(namespaces).where(namespaces.c.id == namespace_id).values(quota_bytes=quota_bytes)
    )
