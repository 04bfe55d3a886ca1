"""Services: create, update, roll back, remove, list, inspect.

A service's spec is replaced whole; the one before is kept for `rollback`. `spec_version` is the
store's revision before the spec was written, so that it always grows: tasks remember it, and
orchestrators see by it which are of an older one. A rollback takes the older version back with the
older spec: tasks made from it count as current. Everything else about a service is written by
orchestrators and allocator.
"""

import asyncio
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from sampan.errors import Internal
from sampan.lib import gotime
from sampan.swarm.control import views
from sampan.swarm.control.lookup import find, remove, write
from sampan.swarm.control.payloads import begins
from sampan.swarm.control.references import check_references, resolve
from sampan.swarm.control.refusals import FailedPrecondition, NotAllowed, OutOfSequence, Taken
from sampan.swarm.control.service_status import statuses
from sampan.swarm.control.spec_check import check
from sampan.swarm.control.spec_defaults import with_defaults
from sampan.swarm.control.spec_form import formed
from sampan.swarm.model import JobStatus, Service, UpdateStatus, new_id
from sampan.swarm.store.interface import Create, OutOfDate, Store, Update
from sampan.wire.filters import Filters
from sampan.wire.services import ServiceMode, ServiceSpec
from sampan.wire.swarm_views import ServiceCreated, ServiceUpdated, ServiceView

FILTERS = ("id", "name", "label", "mode", "runtime")
PREVIOUS = "previous"


class UnknownOption(Internal):
    """dockerd answers 500 to these."""


class Services:
    def __init__(
        self,
        store: Store,
        *,
        random_name: Callable[[], str],
        clock: Callable[[], int] = gotime.now_ns,
    ) -> None:
        self._store = store
        self._random_name = random_name
        self._clock = clock

    def list(self, filters: Filters, *, status: bool = False) -> Sequence[ServiceView]:
        filters.check_keys(FILTERS)
        tables = self._store.tables
        chosen = sorted(
            (each for each in tables.all(Service) if _matches(each, filters)),
            key=lambda each: each.id,
        )
        found = [views.service_view(service) for service in chosen]
        if not status:
            return found
        counts = statuses(tables, chosen)
        return [replace(each, ServiceStatus=counts[each.ID]) for each in found]

    def inspect(self, text: str, *, insert_defaults: bool = False) -> ServiceView:
        view = views.service_view(find(self._store.tables, Service, text))
        return replace(view, Spec=with_defaults(view.Spec)) if insert_defaults else view

    async def create(self, spec: ServiceSpec, *, registry_auth: str = "") -> ServiceCreated:
        """Raises Refused, Taken and others."""
        tables = self._store.tables
        spec = resolve(tables, formed(spec, name=self._random_name()))
        check(spec)
        if tables.find_named(Service, spec.Name) is not None:
            raise Taken(
                f"name conflicts with an existing object: service {spec.Name} already exists"
            )
        check_references(tables, spec)
        service = Service(
            id=new_id(),
            spec=spec,
            spec_version=tables.revision,
            registry_auth=registry_auth,
            job=JobStatus(last_execution_ns=self._clock()) if _is_job(spec.Mode) else None,
        )
        await write(self._store, Create(service))
        return ServiceCreated(ID=service.id)

    async def update(
        self,
        text: str,
        version: int,
        spec: ServiceSpec,
        *,
        rollback: str = "",
        registry_auth: str = "",
        registry_auth_from: str = "",
    ) -> ServiceUpdated:
        """Raises Refused, NotAllowed, OutOfSequence and others.

        Without credentials of its own the spec takes those of the present or the previous one.
        """
        service = find(self._store.tables, Service, text)
        wanted = formed(spec, name=service.spec.Name)
        if registry_auth_from not in {"", "spec", "previous-spec"}:
            raise UnknownOption("unsupported registryAuthFrom value")
        if rollback not in {"", "none", PREVIOUS}:
            raise UnknownOption(f"unrecognized rollback option {rollback}")
        check(wanted)
        while True:
            held = service.registry_auth
            if registry_auth_from == "previous-spec":
                held = service.previous_registry_auth
            changed = self._new(service, version, wanted, registry_auth or held)
            if rollback == PREVIOUS:
                changed = self._rolled_back(service)
            try:
                await self._store.apply(Update(changed))
            except OutOfDate:
                # What the allocator or an orchestrator wrote meanwhile doesn't concern the client.
                service = find(self._store.tables, Service, service.id)
                await asyncio.sleep(0)
            else:
                return ServiceUpdated()

    async def remove(self, text: str) -> None:
        """Its tasks are removed by the orchestrators."""
        await remove(self._store, find(self._store.tables, Service, text))

    def _new(
        self, service: Service, version: int, wanted: ServiceSpec, registry_auth: str
    ) -> Service:
        """Raises OutOfSequence and others."""
        tables = self._store.tables
        if not _is_current(service, version):
            raise OutOfSequence
        spec = resolve(tables, wanted)
        check_references(tables, spec, service_id=service.id)
        if spec.Name != service.spec.Name:
            raise NotAllowed("renaming services is not supported")
        if _kind(spec.Mode) != _kind(service.spec.Mode):
            raise NotAllowed("service mode change is not allowed")
        job = service.job
        if job is not None:
            job = JobStatus(iteration=job.iteration + 1, last_execution_ns=self._clock())
        return replace(
            service,
            spec=spec,
            spec_version=service.version,
            previous_spec=service.spec,
            previous_spec_version=service.spec_version,
            registry_auth=registry_auth,
            previous_registry_auth=service.registry_auth,
            update_status=None,
            job=job,
        )

    def _rolled_back(self, service: Service) -> Service:
        if service.previous_spec is None:
            raise FailedPrecondition(f"service {service.id} does not have a previous spec")
        return replace(
            service,
            spec=service.previous_spec,
            spec_version=service.previous_spec_version,
            previous_spec=service.spec,
            previous_spec_version=service.spec_version,
            registry_auth=service.previous_registry_auth,
            previous_registry_auth=service.registry_auth,
            update_status=UpdateStatus(
                state="rollback_started",
                started_ns=self._clock(),
                message="manually requested rollback",
            ),
        )


def _is_current(service: Service, version: int) -> bool:
    """Whether who read `version` of it has seen the spec that it has now.

    Others write a service as well (addresses, the state of an update); that takes nothing from a
    client who changes the spec. After a rollback revisions don't tell: only the last will do.
    """
    status = service.update_status
    if service.spec_version < service.previous_spec_version or (
        status is not None and status.state.startswith("rollback")
    ):
        return version == service.version
    return service.spec_version < version <= service.version


def _is_job(mode: ServiceMode) -> bool:
    return mode.ReplicatedJob is not None or mode.GlobalJob is not None


def _kind(mode: ServiceMode) -> str:
    """As the `mode` filter has it."""
    kinds = {
        "replicated": mode.Replicated,
        "global": mode.Global,
        "replicated-job": mode.ReplicatedJob,
        "global-job": mode.GlobalJob,
    }
    return next((name for name, member in kinds.items() if member is not None), "")


def _matches(service: Service, filters: Filters) -> bool:
    spec = service.spec
    return (
        begins(filters, "id", service.id)
        and begins(filters, "name", spec.Name)
        and filters.match_labels(spec.Labels or {})
        and filters.match_exact("mode", _kind(spec.Mode))
        and filters.match_exact("runtime", spec.TaskTemplate.Runtime or "container")
    )
