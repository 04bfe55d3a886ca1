"""Snapshots of the store on each manager's own disk: taken from time to time, the last few kept.

    <folder>/<UTC time>.snap   as etcd gives them: the database, and 32 bytes of SHA-256 behind it

A snapshot is checked before it gets its name. Its values are encrypted with the store's data keys
(in the keyring of every manager). `restore` makes a new one-member cluster of one, by etcdutl
(from etcd 3.6 on its only way) or etcdctl.
"""

import asyncio
import hashlib
import logging
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from sampan.errors import DataLoss, Internal, NotFound, SampanError, Unsupported
from sampan.lib.atomicfile import fsync_dir
from sampan.lib.log import fields
from sampan.lib.needs import ETCD_RESTORE
from sampan.lib.workers import Workers
from sampan.swarm.etcd.client import EtcdClient, decoded
from sampan.swarm.etcd.process import MemberSettings

log = logging.getLogger(__name__)

PERIOD_S = 3600.0
SOON_S = 60.0  # after a start
KEPT = 5
_DIGEST_BYTES = 32
_RESTORING_S = 120.0


class Backups:
    def __init__(self, client: EtcdClient, folder: Path, workers: Workers) -> None:
        self._client = client
        self._folder = folder
        self._workers = workers

    async def run(self) -> None:
        """Take one now and then, until cancelled."""
        await asyncio.sleep(SOON_S)
        while True:
            try:
                path = await self.take()
                log.debug(fields("store backed up", path=path))
            except (SampanError, OSError) as error:
                log.warning(fields("store not backed up", reason=error))
            await asyncio.sleep(PERIOD_S)

    async def take(self) -> Path:
        """Raises EtcdSilent, DataLoss, OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ.snap")
        partial = self._folder / f".{name}"
        try:
            await self._receive(partial)
            await self._workers.run(_check, partial)
            partial.rename(self._folder / name)
        finally:
            partial.unlink(missing_ok=True)
        await self._workers.run(self._prune)
        return self._folder / name

    async def _receive(self, path: Path) -> None:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as out:
            async with self._client.stream("/v3/maintenance/snapshot", {}) as parts:
                async for part in parts:
                    await self._workers.run(out.write, decoded(part.get("blob", "")))
            out.flush()
            await self._workers.run(os.fsync, out.fileno())

    def _prune(self) -> None:
        fsync_dir(self._folder)
        for old in found(self._folder)[:-KEPT]:
            old.unlink(missing_ok=True)


def found(folder: Path) -> list[Path]:
    """Whole ones, oldest first."""
    return sorted(path for path in folder.glob("*.snap") if not path.name.startswith("."))


def _check(path: Path) -> None:
    digest = hashlib.sha256()
    left = path.stat().st_size - _DIGEST_BYTES
    with path.open("rb") as source:
        while left > 0 and (chunk := source.read(min(left, 1 << 20))):
            digest.update(chunk)
            left -= len(chunk)
        if left < 0 or source.read() != digest.digest():
            raise DataLoss(f"the snapshot {path.name} of the swarm's store is incomplete")


async def restore(folder: Path, settings: MemberSettings) -> Path:
    """From the newest snapshot; `settings.data_dir` must not exist. Returns which one it was.

    Raises NotFound, Unsupported, Internal.
    """
    snapshots = found(folder)
    program = ETCD_RESTORE.find()
    if not snapshots:
        raise NotFound("there is no backup of the swarm's store to restore")
    if not program:
        raise Unsupported(
            f"restoring a backup needs the program {' or '.join(ETCD_RESTORE.programs)}",
            hint=ETCD_RESTORE.hint(),
        )
    process = await asyncio.create_subprocess_exec(
        *(program, "snapshot", "restore", str(snapshots[-1])),
        *("--name", settings.name, "--data-dir", str(settings.data_dir)),
        *("--initial-cluster", f"{settings.name}={settings.peer_url}"),
        *("--initial-advertise-peer-urls", settings.peer_url),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": "/usr/bin:/bin", "ETCDCTL_API": "3"},
    )
    try:
        async with asyncio.timeout(_RESTORING_S):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        raise Internal(f"the backup can't be restored: {output.decode(errors='replace').strip()}")
    return snapshots[-1]
