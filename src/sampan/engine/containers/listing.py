"""`docker ps`: which containers match, and how a row looks.

`exited` and `status` filters and a limit show stopped containers too, as Docker does.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sampan.engine.containers import ports, views
from sampan.engine.containers.record import HEALTH_NONE, Container
from sampan.engine.containers.registry import ContainerRegistry, NoSuchContainer
from sampan.errors import InvalidArgument, NotFound
from sampan.lib import gotime
from sampan.lib.workers import Workers
from sampan.oci.digest import Digest
from sampan.store.images import ImageStore
from sampan.wire.container_views import (
    ContainerSummary,
    Port,
    SummaryHostConfig,
    SummaryNetworks,
)
from sampan.wire.filters import Filters, InvalidFilter

FILTERS = (
    "ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation", "label",
    "name", "network", "publish", "since", "status", "volume",
)  # fmt: skip
STATES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
HEALTHS = ("none", "starting", "healthy", "unhealthy")

Test = Callable[[Container], bool]
Tests = list[Test]  # the lister has a method named list
Summaries = list[ContainerSummary]


@dataclass(frozen=True, slots=True)
class Links:
    """Names that other containers gave to this one, `/parent/alias`."""

    names: dict[str, list[str]]

    def of(self, container: Container) -> list[str]:
        return sorted([f"/{container.name}", *self.names.get(container.id, [])])


class Lister:
    """`sizes` gives a container's (own, whole) bytes; it blocks."""

    def __init__(
        self,
        *,
        registry: ContainerRegistry,
        images: ImageStore,
        workers: Workers,
        sizes: Callable[[Container], tuple[int, int]],
    ) -> None:
        self._registry = registry
        self._images = images
        self._workers = workers
        self._sizes = sizes

    async def list(
        self, filters: Filters, *, everything: bool = False, limit: int = 0, size: bool = False
    ) -> Summaries:
        """Newest first. Raises InvalidFilter, and NoSuchContainer for `before` and `since`."""
        filters.check_keys(FILTERS)
        tests = await self._tests(filters)
        stopped = everything or limit > 0 or "status" in filters or "exited" in filters
        found: list[Container] = []
        for container in reversed(self._registry.list()):
            if limit > 0 and len(found) == limit:
                break
            if (stopped or container.state.running) and all(test(container) for test in tests):
                found.append(container)
        sizes = await self._workers.run(self._all_sizes, found) if size else {}
        links = self._links()
        now_ns = gotime.now_ns()
        return [
            summary(one, links=links, now_ns=now_ns, sizes=sizes.get(one.id, (0, 0)))
            for one in found
        ]

    def _all_sizes(self, containers: Iterable[Container]) -> dict[str, tuple[int, int]]:
        return {one.id: self._sizes(one) for one in containers}

    def _links(self) -> Links:
        names: dict[str, list[str]] = {}
        for parent in self._registry.list():
            for link in parent.links:
                names.setdefault(link.container_id, []).append(f"/{parent.name}/{link.alias}")
        return Links(names)

    # --- filters ----------------------------------------------------------------------------------

    async def _tests(self, filters: Filters) -> Tests:
        """One test for each filter key; values of a key are alternatives, labels must all hold."""
        made: Tests = []
        for key in filters.values:
            values = filters.get(key)
            if key == "label":
                made.append(lambda one: filters.match_labels(one.labels))
            elif key == "ancestor":
                made.append(await self._ancestor(values))
            elif key in {"before", "since"}:
                made.append(self._age(key, values))
            elif key == "name":
                made.append(self._name(values))
            else:
                made.append(_test(key, values))
        return made

    async def _ancestor(self, values: Iterable[str]) -> Test:
        wanted = await self._workers.run(self._descendants, values)
        return lambda one: one.image_id in wanted

    def _descendants(self, values: Iterable[str]) -> set[Digest]:
        """The images named and all built from them. Blocks."""
        found: set[Digest] = set()
        pending: list[Digest] = []
        for text in values:
            try:
                pending.append(self._images.resolve(text).id)
            except (NotFound, InvalidArgument):
                continue
        while pending:
            identifier = pending.pop()
            if identifier not in found:
                found.add(identifier)
                pending += [child.id for child in self._images.children(identifier)]
        return found

    def _age(self, key: str, values: Iterable[str]) -> Test:
        moments = []
        for text in values:
            other = self._registry.find(text)
            if other is None:
                raise NoSuchContainer(text)
            moments.append(other.created_ns)
        if key == "before":
            return lambda one: all(one.created_ns < moment for moment in moments)
        return lambda one: all(one.created_ns > moment for moment in moments)

    def _name(self, values: Iterable[str]) -> Test:
        links = self._links()
        return lambda one: any(
            _matches(values, name) or _matches(values, name[1:]) for name in links.of(one)
        )


def _test(key: str, values: tuple[str, ...]) -> Test:
    return _TESTS[key](key, values)


def _by_status(key: str, values: tuple[str, ...]) -> Test:
    _check_values(key, values, STATES)
    return lambda one: one.state.status in values


def _by_health(key: str, values: tuple[str, ...]) -> Test:
    _check_values(key, values, HEALTHS)
    return lambda one: _health_word(one) in values


def _by_exit_code(key: str, values: tuple[str, ...]) -> Test:
    codes = {_number(key, value) for value in values}
    return lambda one: one.state.status == "exited" and one.state.exit_code in codes


def _by_id(key: str, values: tuple[str, ...]) -> Test:
    return lambda one: _matches(values, one.id)


def _by_network(key: str, values: tuple[str, ...]) -> Test:
    return lambda one: any(
        value == name or (value and attachment.network_id.startswith(value))
        for value in values
        for name, attachment in one.networks.items()
    )


def _by_volume(key: str, values: tuple[str, ...]) -> Test:
    wanted = {value for value in values if value}
    return lambda one: any(
        wanted & {point.name, point.destination, point.source} for point in one.mounts
    )


def _by_published(key: str, values: tuple[str, ...]) -> Test:
    wanted = _port_set(key, values)
    return lambda one: any((port.container_port, port.proto) in wanted for port in one.ports)


def _by_exposed(key: str, values: tuple[str, ...]) -> Test:
    wanted = _port_set(key, values)
    return lambda one: any(port in wanted for port in ports.exposed(one.config, one.host))


def _by_task(key: str, values: tuple[str, ...]) -> Test:
    """Swarm's containers aren't made here."""
    _check_values(key, values, ("true", "false", "1", "0"))
    return lambda _: values[0] in {"false", "0"}


def _by_isolation(key: str, values: tuple[str, ...]) -> Test:
    """A word of Windows engines: ours are all of the default kind."""
    return lambda _: bool({"default", "process"} & set(values))


_TESTS: dict[str, Callable[[str, tuple[str, ...]], Test]] = {
    "status": _by_status,
    "health": _by_health,
    "exited": _by_exit_code,
    "id": _by_id,
    "network": _by_network,
    "volume": _by_volume,
    "publish": _by_published,
    "expose": _by_exposed,
    "is-task": _by_task,
    "isolation": _by_isolation,
}


def _check_values(key: str, values: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    for value in values:
        if value not in allowed:
            raise InvalidFilter(key, value)


def _health_word(container: Container) -> str:
    return container.state.health.status if container.state.health else HEALTH_NONE


def _number(key: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise InvalidFilter(key, text) from error


def _port_set(key: str, values: tuple[str, ...]) -> set[tuple[int, str]]:
    found: set[tuple[int, str]] = set()
    for value in values:
        try:
            first, last, proto = ports.parse_port(value)
        except InvalidArgument as error:
            raise InvalidFilter(key, value) from error
        found.update((number, proto) for number in range(first, last + 1))
    return found


def _matches(patterns: Iterable[str], text: str) -> bool:
    """Docker takes a value as a regular expression, or as itself."""
    for pattern in patterns:
        if pattern == text:
            return True
        try:
            if re.search(pattern, text):
                return True
        except re.error:
            continue
    return False


# --- rows ---------------------------------------------------------------------------------------


def summary(
    container: Container, *, links: Links, now_ns: int, sizes: tuple[int, int] = (0, 0)
) -> ContainerSummary:
    return ContainerSummary(
        Id=container.id,
        Names=links.of(container),
        Image=container.image_name,
        ImageID=container.image_id,
        Command=views.command_text(container.argv),
        Created=container.created_ns // gotime.NANOS,
        Ports=_ports(container),
        SizeRw=sizes[0],
        SizeRootFs=sizes[1],
        Labels=dict(container.labels),
        State=container.state.status,
        Status=views.status_text(container.state, now_ns),
        HostConfig=SummaryHostConfig(
            NetworkMode=container.host.NetworkMode, Annotations=container.host.Annotations
        ),
        NetworkSettings=SummaryNetworks(Networks=views.network_views(container)),
        Mounts=views.mount_views(container.mounts),
    )


def _ports(container: Container) -> list[Port]:
    if not container.sandbox:
        return []
    published = {(port.container_port, port.proto) for port in container.ports}
    found = [
        Port(
            IP=port.host_ip,
            PrivatePort=port.container_port,
            PublicPort=port.host_port,
            Type=port.proto,
        )
        for port in container.ports
    ]
    declared = ports.exposed(container.config, container.host) if container.networks else []
    found += [
        Port(PrivatePort=number, Type=proto)
        for number, proto in declared
        if (number, proto) not in published
    ]
    return found
