"""Volumes on the wire (Engine API v1.51: Volume, VolumeCreateOptions, VolumeListResponse)."""

from typing import ClassVar

from sampan.wire.codec import Wire


class VolumeUsage(Wire, frozen=True, kw_only=True):
    """`Size` in bytes and `RefCount`, -1 when not computed."""

    RefCount: int = -1
    Size: int = -1


class VolumeView(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"CreatedAt", "Status", "UsageData"})
    CreatedAt: str = ""
    Driver: str = ""
    Labels: dict[str, str] | None = None
    Mountpoint: str = ""
    Name: str = ""
    Options: dict[str, str] | None = None
    Scope: str = "local"
    UsageData: VolumeUsage | None = None


class VolumeCreate(Wire, frozen=True, kw_only=True):
    Name: str = ""
    Driver: str = ""
    DriverOpts: dict[str, str] | None = None
    Labels: dict[str, str] | None = None
    ClusterVolumeSpec: dict[str, object] | None = None


class VolumeList(Wire, frozen=True, kw_only=True):
    Volumes: list[VolumeView] = []
    Warnings: list[str] | None = None


class VolumesPruned(Wire, frozen=True, kw_only=True):
    VolumesDeleted: list[str] | None = None
    SpaceReclaimed: int = 0
