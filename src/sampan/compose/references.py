"""References of a service to containers of other services, resolved to ids.

Docker Compose resolves before it computes the config hash: a service that shares another one's
namespace has that container's id in its hash, and is recreated when it changes.
"""

from collections.abc import Mapping, Sequence

from sampan.compose.hashes import service_hash
from sampan.compose.model import Service
from sampan.compose.ordering import SERVICE_MODE
from sampan.errors import NotFound
from sampan.lib.records import replace

CONTAINER_MODE = "container:"


class NothingToShare(NotFound):
    def __init__(self, service: str, key: str, other: str) -> None:
        super().__init__(
            f'cannot share {key} with service "{other}" for service "{service}": '
            "container not found"
        )


def resolved(service: Service, containers: Mapping[str, Sequence[str]]) -> Service:
    """`containers` are ids by service. Raises NothingToShare."""
    return replace(
        service,
        network_mode=_mode(service, "network_mode", containers),
        ipc=_mode(service, "ipc", containers),
        pid=_mode(service, "pid", containers),
        volumes_from=tuple(
            _volumes_from(service, entry, containers) for entry in service.volumes_from
        ),
    )


def _mode(service: Service, key: str, containers: Mapping[str, Sequence[str]]) -> str:
    mode: str = getattr(service, key)
    if not mode.startswith(SERVICE_MODE):
        return mode
    other = mode.removeprefix(SERVICE_MODE)
    if not containers.get(other):
        raise NothingToShare(service.name, key, other)
    return CONTAINER_MODE + containers[other][0]


def _volumes_from(service: Service, entry: str, containers: Mapping[str, Sequence[str]]) -> str:
    if entry.startswith(CONTAINER_MODE):
        return entry.removeprefix(CONTAINER_MODE)
    other, colon, mode = entry.partition(":")
    if not containers.get(other):
        raise NothingToShare(service.name, "volumes", other)
    return containers[other][0] + colon + mode


def hash_of(service: Service) -> str:
    """The config hash of a resolved service, as Docker Compose computes it.

    It forgets the access mode of `volumes_from` when it resolves the name.
    """
    sources = tuple(entry.partition(":")[0] for entry in service.volumes_from)
    return service_hash(replace(service, volumes_from=sources))
