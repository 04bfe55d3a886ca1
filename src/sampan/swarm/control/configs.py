"""Configs: files for the containers of services."""

from collections.abc import Sequence

from msgspec.structs import replace

from sampan.swarm.control import payloads
from sampan.swarm.control.lookup import check_version, find, index_of, moment, remove, write
from sampan.swarm.control.refusals import Refused, Taken
from sampan.swarm.model import Config, Service, new_id
from sampan.swarm.store.interface import Create, Store, Update
from sampan.wire.filters import Filters
from sampan.wire.swarm import ConfigSpec
from sampan.wire.swarm_views import ConfigView, Created

LIMIT_BYTES = 1024000  # the first size that is too much; swarmkit's MaxSecretSize, MaxConfigSize


class Configs:
    def __init__(self, store: Store) -> None:
        self._store = store

    def list(self, filters: Filters) -> Sequence[ConfigView]:
        filters.check_keys(payloads.FILTERS)
        return [
            view(config)
            for config in sorted(self._store.tables.all(Config), key=lambda each: each.id)
            if payloads.matches(filters, config.id, config.spec.Name, config.spec.Labels or {})
        ]

    def inspect(self, text: str) -> ConfigView:
        return view(find(self._store.tables, Config, text))

    async def create(self, spec: ConfigSpec) -> Created:
        """Raises Refused, Taken."""
        payloads.check_name(spec.Name)
        payloads.check_content(spec.Data, "config", LIMIT_BYTES)
        if self._store.tables.find_named(Config, spec.Name) is not None:
            raise Taken(f"config {spec.Name} already exists")
        config = Config(id=new_id(), spec=replace(spec, Labels=spec.Labels or {}))
        await write(self._store, Create(config))
        return Created(ID=config.id)

    async def update(self, text: str, version: int, spec: ConfigSpec) -> None:
        """Labels only."""
        config = find(self._store.tables, Config, text)
        held = config.spec
        if spec.Name != held.Name or (spec.Data and spec.Data != held.Data):
            raise Refused("only updates to Labels are allowed")
        check_version(config, version)
        await write(
            self._store, Update(replace(config, spec=replace(held, Labels=spec.Labels or {})))
        )

    async def remove(self, text: str) -> None:
        """Raises Refused while a service uses it."""
        config = find(self._store.tables, Config, text)
        users = [each for each in self._store.tables.all(Service) if _uses(each, config.id)]
        payloads.check_unused("config", config.spec.Name, users)
        await remove(self._store, config)


def view(config: Config) -> ConfigView:
    return ConfigView(
        ID=config.id,
        Version=index_of(config.version),
        CreatedAt=moment(config.created_ns),
        UpdatedAt=moment(config.updated_ns),
        Spec=config.spec,
    )


def _uses(service: Service, identifier: str) -> bool:
    container = service.spec.TaskTemplate.ContainerSpec
    references = container.Configs if container is not None else None
    return any(each.ConfigID == identifier for each in references or ())
