"""The volumes of one daemon.

On disk::

    <root>/<name>/_data        what containers see
    documents of kind "volume" name, driver, options, labels, time of creation, owner

The directory is made before the document is committed and removed after it is gone, so a volume
that is listed always has its data; a directory without a document is what a crash left and is
taken over by the next volume of that name only when it is empty.

An anonymous volume made for a container has that one's id as its `owner`, from before the container
is committed until it is removed without its volumes (`disown`). So a volume whose owner isn't there
is what a crash left of a creation or a removal: `sweep` removes it, and nothing else.

All methods block; callers run them through `Workers`. One lock keeps creation and removal apart.
"""

import logging
import re
import threading
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import msgspec

from sampan.errors import NotFound
from sampan.lib import gotime
from sampan.lib.atomicfile import fsync_dir
from sampan.lib.ids import random_id
from sampan.lib.log import fields
from sampan.linux.mounts import mount_all, mounts_below, unmount
from sampan.store.disk import allocated_bytes
from sampan.store.metadata import Documents
from sampan.store.removal import remove_tree
from sampan.volumes.copyup import copy_tree
from sampan.volumes.drivers import DRIVERS, NoSuchDriver, check_options, mount_of
from sampan.volumes.model import ANONYMOUS_LABEL, DriverMismatch, NoSuchVolume, Volume, check_name

log = logging.getLogger(__name__)

_RANDOM_NAME = re.compile(r"[0-9a-f]{64}")


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    driver: str
    created_ns: int
    options: dict[str, str]
    labels: dict[str, str]
    owner: str = ""  # the container that takes it along


class VolumeStore:
    """Creates, lists, mounts and removes volumes. Thread-safe."""

    def __init__(self, *, documents: Documents, root: Path) -> None:
        self._documents = documents
        self._root = root
        self._lock = threading.Lock()
        root.mkdir(parents=True, exist_ok=True, mode=0o711)

    def create(
        self,
        name: str | None = None,
        *,
        driver: str = "local",
        options: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        owner: str = "",
    ) -> tuple[Volume, bool]:
        """The volume of that name and whether it is new; without a name an anonymous one.

        `owner` counts for an anonymous one only.
        """
        marks = dict(labels or {})
        if name:
            owner = ""
        else:
            name = random_id()
            marks[ANONYMOUS_LABEL] = ""
        check_name(name)
        if (driver := driver or "local") not in DRIVERS:
            raise NoSuchDriver(name, driver)
        check_options(name, options or {})
        with self._lock:
            present = self._find(name)
            if present is not None:
                if present.driver != driver:
                    raise DriverMismatch(name, has=present.driver)
                return present, False
            document = _Document(
                driver=driver,
                created_ns=gotime.now_ns(),
                options=dict(options or {}),
                labels=marks,
                owner=owner,
            )
            data = self._root / name / "_data"
            data.mkdir(parents=True, exist_ok=True)
            fsync_dir(data.parent)
            fsync_dir(self._root)
            self._documents.put(name, msgspec.json.encode(document))
            return self._volume(name, document), True

    def find(self, name: str) -> Volume | None:
        with self._lock:
            return self._find(name)

    def get(self, name: str) -> Volume:
        """Raises NoSuchVolume."""
        volume = self.find(name)
        if volume is None:
            raise NoSuchVolume(name)
        return volume

    def list(self) -> list[Volume]:
        """All volumes by name."""
        with self._lock:
            rows = sorted(self._documents.all())
        return [
            self._volume(name, msgspec.json.decode(body, type=_Document)) for name, body in rows
        ]

    def remove(self, name: str) -> None:
        """Forget the volume, then delete its data. Raises NoSuchVolume."""
        with self._lock:
            volume = self._find(name)
            if volume is None:
                raise NoSuchVolume(name)
            self._unmount(volume)
            self._documents.remove(name)
            remove_tree(self._root / name)

    def disown(self, names: Iterable[str]) -> None:
        """From now on these volumes are there for their own sake. Unknown names are fine."""
        with self._lock:
            changed = {}
            for name in names:
                document = self._document(name)
                if document is not None and document.owner:
                    changed[name] = msgspec.json.encode(msgspec.structs.replace(document, owner=""))
            if changed:
                self._documents.put_many(changed)

    def sweep(self, owners: Collection[str], used: Collection[str]) -> None:
        """Remove volumes whose owner isn't among `owners`, unless they are `used`; and directories
        that such volumes left. At start, before anybody makes a volume."""
        with self._lock:
            rows = self._documents.all()
        for name, body in rows:
            owner = msgspec.json.decode(body, type=_Document).owner
            if owner and owner not in owners and name not in used:
                log.info(fields("volume.orphan_removed", volume=name, owner=owner))
                self.remove(name)
        known = {name for name, _ in rows}
        for path in list(self._root.iterdir()):
            if path.name not in known and _RANDOM_NAME.fullmatch(path.name):
                remove_tree(path)

    def mount(self, volume: Volume) -> Path:
        """Make the data appear (for volumes with options) and return where it lies. Idempotent."""
        wanted = mount_of(volume.options)
        if wanted is not None:
            with self._lock:
                if not self._mounted(volume):
                    mount_all([wanted], volume.mountpoint)
        return volume.mountpoint

    def unmount(self, volume: Volume) -> None:
        """Undo `mount`; the caller knows that no container uses the volume. Idempotent."""
        with self._lock:
            self._unmount(volume)

    def copy_up(self, volume: Volume, source: Path) -> bool:
        """Fill an empty volume with the directory `source`; False when there was nothing to do."""
        if volume.options or not source.is_dir():
            return False
        with self._lock:
            if any(volume.mountpoint.iterdir()):
                return False
            copy_tree(source, volume.mountpoint)
            return True

    def usage_bytes(self, volume: Volume) -> int:
        """The disk space of the volume's content, as `du` counts it."""
        return allocated_bytes(volume.mountpoint, below_only=True)

    def _find(self, name: str) -> Volume | None:
        document = self._document(name)
        return self._volume(name, document) if document else None

    def _document(self, name: str) -> _Document | None:
        try:
            body = self._documents.get(name)
        except NotFound:
            return None
        return msgspec.json.decode(body, type=_Document)

    def _volume(self, name: str, document: _Document) -> Volume:
        return Volume(
            name=name,
            driver=document.driver,
            mountpoint=self._root / name / "_data",
            created_ns=document.created_ns,
            options=document.options,
            labels=document.labels,
        )

    def _mounted(self, volume: Volume) -> bool:
        return str(volume.mountpoint) in {str(path) for path in mounts_below(volume.mountpoint)}

    def _unmount(self, volume: Volume) -> None:
        if volume.options and self._mounted(volume):
            unmount(volume.mountpoint, lazy=True)
