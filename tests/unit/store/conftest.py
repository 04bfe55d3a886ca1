"""A whole store in a temporary directory, and archives to fill it with."""

import io
import tarfile
from dataclasses import dataclass

import pytest

from sampan.store.content_local import LocalContentStore
from sampan.store.images import ImageStore
from sampan.store.leases import Leases
from sampan.store.metadata import Database
from sampan.store.snapshotter_overlay import OverlaySnapshotter
from sampan.store.unpack import Unpacker


@dataclass
class Store:
    content: LocalContentStore
    database: Database
    snapshotter: OverlaySnapshotter
    images: ImageStore
    leases: Leases
    unpacker: Unpacker


@pytest.fixture
def database(tmp_path):
    found = Database(tmp_path / "sampan.db")
    yield found
    found.close()


@pytest.fixture
def store(tmp_path, database):
    content = LocalContentStore(tmp_path / "content")
    snapshotter = OverlaySnapshotter(tmp_path / "snapshots", database)
    return Store(
        content,
        database,
        snapshotter,
        ImageStore(database, content),
        Leases(),
        Unpacker(content, snapshotter),
    )


class TarMaker:
    """`make({"dir/": None, "file": b"data"}, [tarfile.TarInfo, ...])` -> bytes of an archive."""

    def __call__(self, files=None, members=(), fmt=tarfile.PAX_FORMAT):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=fmt) as archive:
            for name, body in (files or {}).items():
                found = tarfile.TarInfo(name)
                if body is None:
                    found.type = tarfile.DIRTYPE
                    found.mode = 0o755
                    archive.addfile(found)
                else:
                    found.size = len(body)
                    archive.addfile(found, io.BytesIO(body))
            for member in members:
                if isinstance(member, tuple):
                    archive.addfile(member[0], io.BytesIO(member[1]))
                else:
                    archive.addfile(member)
        return out.getvalue()

    def member(self, name, kind=tarfile.REGTYPE, **facts):
        found = tarfile.TarInfo(name)
        found.type = kind
        for key, value in facts.items():
            setattr(found, key, value)
        return found


@pytest.fixture
def make_tar():
    return TarMaker()
