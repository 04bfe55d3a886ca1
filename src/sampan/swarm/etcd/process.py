"""One etcd member as a child of the daemon.

It dies with the daemon (PDEATHSIG through setpriv(1)) and is started again when it ends by itself.
Its client interface listens on loopback only; peers reach `peer_listen`. With `tls`, both sides of
every connection show a certificate of the cluster's CA. Peers must also name the role
`swarm-manager` in theirs: workers have certificates of the same CA. (For clients etcd 3.4 can't
ask that: its own JSON gateway would fail. They are on this machine, and only root has the key.)
etcd reads certificate and key anew for each connection, the CA only at its start (`restart`).

    data_dir/member/   etcd's own; its presence means that the member has been in a cluster

The intervals suit managers within a few milliseconds of each other.
"""

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from sampan.errors import Unsupported
from sampan.lib.log import fields
from sampan.lib.needs import ETCD, SETPRIV, Need

log = logging.getLogger(__name__)

HEARTBEAT_MS, ELECTION_MS = 50, 300
MAX_TXN_OPS = 4096
MAX_REQUEST_BYTES = 16 << 20
QUOTA_BYTES = 2 << 30
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 3.0
SETTLED_S = 3.0  # what can't go on ends sooner
STOP_S = 5.0
ROLE_NAME = "swarm-manager"  # a DNS name in every manager's certificate


class EtcdMissing(Unsupported):
    def __init__(self, need: Need = ETCD) -> None:
        super().__init__(
            f"swarm managers need the program {need.name}, which isn't installed",
            hint=need.hint(),
        )


@dataclass(frozen=True, slots=True)
class TlsFiles:
    certificate: Path
    key: Path
    ca: Path


@dataclass(frozen=True, slots=True)
class MemberSettings:
    """`initial` (name to peer URL) counts at the first start only."""

    name: str
    data_dir: Path
    client_port: int
    peer_listen: str  # host:port, IPv6 in brackets
    peer_advertise: str
    initial: Mapping[str, str] = field(default_factory=dict)
    joins: bool = False  # a cluster that runs
    token: str = "sampan"  # noqa: S105 - keeps clusters apart, no secret
    tls: TlsFiles | None = None

    @property
    def scheme(self) -> str:
        return "https" if self.tls else "http"

    @property
    def endpoint(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.client_port}"

    @property
    def peer_url(self) -> str:
        return f"{self.scheme}://{self.peer_advertise}"

    @property
    def has_been_member(self) -> bool:
        return (self.data_dir / "member").is_dir()


def programs() -> tuple[str, str]:
    """Paths of etcd and setpriv. Raises EtcdMissing."""
    for need in (ETCD, SETPRIV):
        if not need.find():
            raise EtcdMissing(need)
    return ETCD.find(), SETPRIV.find()


def free_port() -> int:
    """A loopback TCP port that nobody has at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def arguments(settings: MemberSettings, *, force_new_cluster: bool = False) -> list[str]:
    initial = settings.initial or {settings.name: settings.peer_url}
    words = {
        "name": settings.name,
        "data-dir": settings.data_dir,
        "listen-client-urls": settings.endpoint,
        "advertise-client-urls": settings.endpoint,
        "listen-peer-urls": f"{settings.scheme}://{settings.peer_listen}",
        "initial-advertise-peer-urls": settings.peer_url,
        "initial-cluster": ",".join(f"{name}={url}" for name, url in initial.items()),
        "initial-cluster-state": "existing" if settings.joins else "new",
        "initial-cluster-token": settings.token,
        "heartbeat-interval": HEARTBEAT_MS,
        "election-timeout": ELECTION_MS,
        "pre-vote": "true",  # a member back from a partition doesn't disturb the leader
        "max-txn-ops": MAX_TXN_OPS,
        "max-request-bytes": MAX_REQUEST_BYTES,
        "quota-backend-bytes": QUOTA_BYTES,
        "auto-compaction-mode": "periodic",
        "auto-compaction-retention": "10m",
        "snapshot-count": 10_000,
        "logger": "zap",
        "log-level": "error",
    }
    listed = [f"--{name}={value}" for name, value in words.items()]
    if force_new_cluster:
        listed.append("--force-new-cluster")
    return listed + (_tls_arguments(settings.tls) if settings.tls else [])


def _tls_arguments(tls: TlsFiles) -> list[str]:
    return [
        f"--cert-file={tls.certificate}",
        f"--key-file={tls.key}",
        f"--trusted-ca-file={tls.ca}",
        "--client-cert-auth",
        f"--peer-cert-file={tls.certificate}",
        f"--peer-key-file={tls.key}",
        f"--peer-trusted-ca-file={tls.ca}",
        "--peer-client-cert-auth",
        f"--peer-cert-allowed-hostname={ROLE_NAME}",
        # a peer is known by the name of its role; its address may be translated on the way
        "--experimental-peer-skip-client-san-verification",
    ]


class EtcdProcess:
    """`run` in a task keeps it alive; cancelling that stops it."""

    def __init__(self, settings: MemberSettings) -> None:
        self.settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._words: deque[str] = deque(maxlen=20)
        self._why_ended = ""  # the last time, if not told to
        self._began = 0.0

    async def run(self, *, force_new_cluster: bool = False) -> None:
        """Until cancelled. `force_new_cluster` counts for the first start. Raises EtcdMissing."""
        pause_s = FIRST_PAUSE_S
        loop = asyncio.get_running_loop()
        while True:
            self._began = began = loop.time()
            code = await self._once(force_new_cluster=force_new_cluster)
            force_new_cluster = False
            self._why_ended = self.last_words if code > 0 else ""  # not by a signal
            log.warning(fields("etcd ended", status=code, output=self.last_words))
            pause_s = FIRST_PAUSE_S if loop.time() - began > LONGEST_PAUSE_S else pause_s * 2
            await asyncio.sleep(min(pause_s, LONGEST_PAUSE_S))

    @property
    def pid(self) -> int | None:
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    @property
    def last_words(self) -> str:
        return " | ".join(self._words)

    @property
    def trouble(self) -> str:
        """Why it ends again and again; "" while all is well."""
        settled = self.pid and asyncio.get_running_loop().time() > self._began + SETTLED_S
        return "" if settled else self._why_ended

    def restart(self) -> None:
        """End it; `run` starts it again."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.terminate()

    async def _once(self, *, force_new_cluster: bool) -> int:
        program, keeper = programs()
        self.settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        words = arguments(self.settings, force_new_cluster=force_new_cluster)
        process = self._process = await asyncio.create_subprocess_exec(
            *(keeper, "--pdeathsig", "KILL", program, *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin"},
        )
        log.info(fields("etcd started", pid=process.pid, member=self.settings.name))
        try:
            await self._listen(process)
            return await process.wait()
        finally:
            await _end(process)

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Its errors, until it closes its end."""
        assert process.stderr is not None
        self._words.clear()
        while chunk := await process.stderr.read(1 << 16):
            self._words.extend(map(_plain, chunk.decode(errors="replace").splitlines()))


def _plain(line: str) -> str:
    """What a line of etcd's log says."""
    try:
        said = msgspec.json.decode(line, type=dict[str, object])
    except msgspec.DecodeError:
        return line
    return ": ".join(str(said[part]) for part in ("msg", "error") if part in said)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await asyncio.shield(process.wait())
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
