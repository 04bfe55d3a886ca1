"""Secrets: files for the containers of services, kept secret."""

from collections.abc import Sequence

from msgspec.structs import replace

from sampan.swarm.control import payloads
from sampan.swarm.control.lookup import check_version, find, index_of, moment, remove, write
from sampan.swarm.control.refusals import Failed, Refused, Taken
from sampan.swarm.model import Secret, Service, new_id
from sampan.swarm.store.interface import Create, Store, Update
from sampan.wire.filters import Filters
from sampan.wire.swarm import SecretSpec
from sampan.wire.swarm_views import Created, SecretView

LIMIT_BYTES = 512000  # the first size that is too much; swarmkit's MaxSecretSize, MaxConfigSize


class Secrets:
    def __init__(self, store: Store) -> None:
        self._store = store

    def list(self, filters: Filters) -> Sequence[SecretView]:
        filters.check_keys(payloads.FILTERS)
        return [
            view(secret)
            for secret in sorted(self._store.tables.all(Secret), key=lambda each: each.id)
            if payloads.matches(filters, secret.id, secret.spec.Name, secret.spec.Labels or {})
        ]

    def inspect(self, text: str) -> SecretView:
        return view(find(self._store.tables, Secret, text))

    async def create(self, spec: SecretSpec) -> Created:
        """Raises Refused, Taken."""
        payloads.check_name(spec.Name)
        if spec.Driver is not None:
            raise Failed(f'plugin "{spec.Driver.Name}" not found')
        payloads.check_content(spec.Data, "secret", LIMIT_BYTES)
        if self._store.tables.find_named(Secret, spec.Name) is not None:
            raise Taken(f"secret {spec.Name} already exists")
        secret = Secret(id=new_id(), spec=replace(spec, Labels=spec.Labels or {}))
        await write(self._store, Create(secret))
        return Created(ID=secret.id)

    async def update(self, text: str, version: int, spec: SecretSpec) -> None:
        """Labels only."""
        secret = find(self._store.tables, Secret, text)
        held = secret.spec
        if spec.Name != held.Name or (spec.Data and spec.Data != held.Data):
            raise Refused("only updates to Labels are allowed")
        check_version(secret, version)
        await write(
            self._store, Update(replace(secret, spec=replace(held, Labels=spec.Labels or {})))
        )

    async def remove(self, text: str) -> None:
        """Raises Refused while a service uses it."""
        secret = find(self._store.tables, Secret, text)
        users = [each for each in self._store.tables.all(Service) if _uses(each, secret.id)]
        payloads.check_unused("secret", secret.spec.Name, users)
        await remove(self._store, secret)


def view(secret: Secret) -> SecretView:
    return SecretView(
        ID=secret.id,
        Version=index_of(secret.version),
        CreatedAt=moment(secret.created_ns),
        UpdatedAt=moment(secret.updated_ns),
        Spec=replace(secret.spec, Data=""),
    )


def _uses(service: Service, identifier: str) -> bool:
    container = service.spec.TaskTemplate.ContainerSpec
    references = container.Secrets if container is not None else None
    return any(each.SecretID == identifier for each in references or ())
