"""What the engine answers about images: list, inspect, history, removal, search, distribution.

Field names and null-or-empty habits are pinned by JSON recorded from a real engine
(tests/unit/engine/images/golden). The structs are those of the newest API version served;
`summary_for` and `inspect_for` give them the members that older versions have besides.
"""

from typing import Any, ClassVar

from sampan.wire.codec import Wire, to_plain
from sampan.wire.containers import ContainerConfig as RunConfig

Version = tuple[int, int]

NONE_TAG = "<none>:<none>"
NONE_DIGEST = "<none>@<none>"


class OciPlatform(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"variant"})
    architecture: str = ""
    os: str = ""
    variant: str = ""


class OciDescriptor(Wire, frozen=True, kw_only=True):
    mediaType: str = ""
    digest: str = ""
    size: int = 0


class ImageSummary(Wire, frozen=True, kw_only=True):
    """One row of GET /images/json. `Created` is Unix seconds; -1 stands for "not counted"."""

    Containers: int = -1
    Created: int = 0
    Id: str = ""
    Labels: dict[str, str] | None = None
    ParentId: str = ""
    RepoDigests: list[str] = []
    RepoTags: list[str] = []
    SharedSize: int = -1
    Size: int = 0


class DriverData(Wire, frozen=True, kw_only=True):
    Data: dict[str, str] | None = None
    Name: str = ""


class LayersView(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Layers"})
    Type: str = "layers"
    Layers: list[str] | None = None


class ImageMetadata(Wire, frozen=True, kw_only=True):
    LastTagTime: str = ""


class ImageInspect(Wire, frozen=True, kw_only=True):
    """`Container` and `ContainerConfig` tell of the step that made the image, if it is known."""

    OMITEMPTY: ClassVar[frozenset[str]] = frozenset(
        {"Variant", "OsVersion", "Container", "ContainerConfig"}
    )
    Id: str = ""
    RepoTags: list[str] = []
    RepoDigests: list[str] = []
    Parent: str = ""
    Comment: str = ""
    Created: str = ""
    Container: str = ""
    ContainerConfig: dict[str, Any] | None = None  # as it stands in the image's document
    DockerVersion: str = ""
    Author: str = ""
    Config: RunConfig = RunConfig()
    Architecture: str = ""
    Variant: str = ""
    Os: str = ""
    OsVersion: str = ""
    Size: int = 0
    GraphDriver: DriverData = DriverData()
    RootFS: LayersView = LayersView()
    Metadata: ImageMetadata = ImageMetadata()


class HistoryItem(Wire, frozen=True, kw_only=True):
    """`Id` is "<missing>" for steps whose image isn't here."""

    Comment: str = ""
    Created: int = 0
    CreatedBy: str = ""
    Id: str = ""
    Size: int = 0
    Tags: list[str] | None = None


class DeleteItem(Wire, frozen=True, kw_only=True):
    """One of the two is set."""

    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Untagged", "Deleted"})
    Untagged: str = ""
    Deleted: str = ""


class ImagesPruned(Wire, frozen=True, kw_only=True):
    ImagesDeleted: list[DeleteItem] | None = None
    SpaceReclaimed: int = 0


class SearchResult(Wire, frozen=True, kw_only=True):
    """An entry of GET /images/search; these names are lower-case on the wire."""

    star_count: int = 0
    is_official: bool = False
    name: str = ""
    is_automated: bool = False
    description: str = ""


class DistributionInspect(Wire, frozen=True, kw_only=True):
    Descriptor: OciDescriptor
    Platforms: list[OciPlatform]


class LoginResult(Wire, frozen=True, kw_only=True):
    IdentityToken: str = ""
    Status: str = ""


def summary_for(version: Version, summary: ImageSummary) -> dict[str, Any]:
    """A row as API `version` shows it: `<none>` before 1.43, VirtualSize before 1.44."""
    plain: dict[str, Any] = to_plain(summary)
    if version < (1, 43) and not summary.RepoTags and not summary.RepoDigests:
        plain["RepoTags"], plain["RepoDigests"] = [NONE_TAG], [NONE_DIGEST]
    if version < (1, 44):
        plain["VirtualSize"] = summary.Size
    return plain


def inspect_for(version: Version, image: ImageInspect) -> dict[str, Any]:
    """As API `version` shows it: VirtualSize before 1.44.

    The build's container is there in all versions, though dockerd dropped it with 1.45: docker-py
    takes the newest version on its own, and programs on it (Compose 1) fail without the members.
    """
    plain: dict[str, Any] = to_plain(image)
    if version < (1, 44):
        plain["VirtualSize"] = image.Size
    plain.setdefault("Container", "")
    plain.setdefault("ContainerConfig", to_plain(RunConfig()))
    return plain
