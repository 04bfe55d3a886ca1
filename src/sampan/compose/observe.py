"""What of a project exists on the engine, found by labels.

    observe(api, project) -> Observed: containers, networks, volumes and images as frozen records

Names decide for networks and volumes (another tool may have made them), labels for containers.
Nothing here changes anything, and nothing here decides anything.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from sampan.compose import labels as names
from sampan.compose.api import EngineApi, Json
from sampan.compose.model import Project
from sampan.compose.parallel import gather
from sampan.lib.records import Record

RUNNING = "running"


class ObservedPort(Record, frozen=True, kw_only=True):
    target: int
    published: int
    protocol: str
    url: str


class ObservedContainer(Record, frozen=True, kw_only=True):
    """One container of the project; `networks` are ids, `volumes` names of mounted volumes."""

    id: str
    name: str
    service: str
    number: int = 0
    oneoff: bool = False
    state: str = ""
    status: str = ""
    config_hash: str = ""
    image: str = ""
    image_label: str = ""
    networks: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()
    labels: Mapping[str, str] = {}

    @property
    def running(self) -> bool:
        return self.state == RUNNING

    @property
    def short_name(self) -> str:
        """The name without the project: what stands before its log lines."""
        return self.name.removeprefix(f"{self.labels.get(names.PROJECT, '')}-")


class ObservedNetwork(Record, frozen=True, kw_only=True):
    name: str
    id: str
    labels: Mapping[str, str]
    containers: frozenset[str] = frozenset()


class ObservedVolume(Record, frozen=True, kw_only=True):
    name: str
    labels: Mapping[str, str]


class ObservedImage(Record, frozen=True, kw_only=True):
    """`volumes` are the paths that the image declares as volumes."""

    id: str
    created: str = ""
    platform: str = ""
    volumes: frozenset[str] = frozenset()
    pulled: str = ""


class Observed(Record, frozen=True, kw_only=True):
    """Networks and volumes by real name, images by the reference that was asked for."""

    containers: tuple[ObservedContainer, ...] = ()
    networks: Mapping[str, ObservedNetwork] = {}
    volumes: Mapping[str, ObservedVolume] = {}
    images: Mapping[str, ObservedImage] = {}

    def of_service(self, service: str) -> list[ObservedContainer]:
        """Its containers (without one-off ones), lowest number first."""
        found = [c for c in self.containers if c.service == service and not c.oneoff]
        return sorted(found, key=lambda container: container.number)


def container_of(summary: Json) -> ObservedContainer:
    """Reads one entry of the engine's listing."""
    labels = summary.get("Labels") or {}
    attached = (summary.get("NetworkSettings") or {}).get("Networks") or {}
    mounts = summary.get("Mounts") or ()
    number = labels.get(names.NUMBER, "")
    known = [str(name).removeprefix("/") for name in summary.get("Names") or ()]
    return ObservedContainer(
        id=summary["Id"],
        name=next((name for name in known if "/" not in name), ""),
        service=labels.get(names.SERVICE, ""),
        number=int(number) if number.isdecimal() else 0,
        oneoff=labels.get(names.ONEOFF, "").lower() == "true",
        state=summary.get("State", ""),
        status=summary.get("Status", ""),
        config_hash=labels.get(names.CONFIG_HASH, ""),
        image=summary.get("ImageID", ""),
        image_label=labels.get(names.IMAGE, ""),
        networks=frozenset(str(point.get("NetworkID") or "") for point in attached.values()),
        volumes=frozenset(str(mount.get("Name") or "") for mount in mounts),
        labels=labels,
    )


def list_containers(
    api: EngineApi, project: str, *, oneoff: bool = False, all_states: bool = True
) -> tuple[ObservedContainer, ...]:
    """The project's containers; one-off ones only on demand."""
    wanted = [f"{names.PROJECT}={project}"]
    if not oneoff:
        wanted.append(f"{names.ONEOFF}=False")
    found = map(container_of, api.list_containers(wanted, all_states=all_states))
    return tuple(sorted(found, key=lambda item: (item.service, item.number, item.name)))


def network_of(found: Json) -> ObservedNetwork:
    return ObservedNetwork(
        name=found["Name"],
        id=found["Id"],
        labels=found.get("Labels") or {},
        containers=frozenset(found.get("Containers") or {}),
    )


def volume_of(found: Json) -> ObservedVolume:
    return ObservedVolume(name=found["Name"], labels=found.get("Labels") or {})


def image_of(found: Json) -> ObservedImage:
    variant = found.get("Variant") or ""
    platform = f"{found.get('Os', '')}/{found.get('Architecture', '')}"
    return ObservedImage(
        id=found["Id"],
        created=found.get("Created") or "",
        platform=f"{platform}/{variant}" if variant else platform,
        volumes=frozenset((found.get("Config") or {}).get("Volumes") or ()),
        pulled=(found.get("Metadata") or {}).get("LastTagTime") or "",
    )


def observe_images(api: EngineApi, references: Iterable[str]) -> dict[str, ObservedImage]:
    """Those that exist, by reference."""
    wanted = list(dict.fromkeys(references))
    found = gather([_finding(api, reference) for reference in wanted])
    return {
        reference: image_of(image)
        for reference, image in zip(wanted, found, strict=True)
        if image is not None
    }


def _finding(api: EngineApi, reference: str) -> Callable[[], Json | None]:
    return lambda: api.find_image(reference)


def observe(api: EngineApi, project: Project, images: Sequence[str]) -> Observed:
    """Everything that a plan for the project needs, asked for side by side."""
    networks = [network.name for network in project.networks.values()]
    volumes = [volume.name for volume in project.volumes.values()]
    found_networks: list[Json | None] = []
    found_volumes: list[Json | None] = []

    def ask_networks() -> None:
        found_networks.extend(api.find_network(name) for name in networks)

    def ask_volumes() -> None:
        found_volumes.extend(api.find_volume(name) for name in volumes)

    containers: list[ObservedContainer] = []
    known_images: dict[str, ObservedImage] = {}
    gather(
        [
            ask_networks,
            ask_volumes,
            lambda: containers.extend(list_containers(api, project.name, oneoff=True)),
            lambda: known_images.update(observe_images(api, images)),
        ]
    )
    return Observed(
        containers=tuple(containers),
        networks={item["Name"]: network_of(item) for item in found_networks if item},
        volumes={item["Name"]: volume_of(item) for item in found_volumes if item},
        images=known_images,
    )
