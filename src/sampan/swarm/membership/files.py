"""What a member keeps on its own disk, so that it is the same member after a restart.

    <data-root>/swarm/
      state.json    who and where this node is, which managers it knows, a join that isn't done yet
      keyring       certificate, key, roots; managers: the store's data keys. Encrypted with the
                    unlock key while managers are to be locked
      etcd/         the store's member (managers)
      backups/      snapshots of the store (managers)
      worker/       the agent's
    <exec-root>/swarm/
      node.crt node.key roots.crt   the keyring's, for TLS: gone with the next boot

Each file is replaced as a whole, so a crash leaves the old one or the new one.
"""

import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sampan.errors import DataLoss, Unauthenticated
from sampan.lib.atomicfile import write_atomic
from sampan.swarm import tokens
from sampan.swarm.etcd.process import TlsFiles
from sampan.swarm.model import Cluster

_NONCE_BYTES = 12

Record = TypeVar("Record")


class WrongUnlockKey(Unauthenticated):
    def __init__(self) -> None:
        super().__init__("swarm could not be unlocked: invalid key provided")


class PendingJoin(msgspec.Struct, frozen=True, kw_only=True):
    """Kept until the node has its certificate; `key` makes a repeated join the same node."""

    remotes: tuple[str, ...]
    token: str
    availability: str
    key: str


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`managers`: where their APIs listen, by node id. `store_joined`: the own etcd has a vote."""

    listen_host: str
    listen_port: int
    advertise: str  # host:port
    data_path: str
    node_id: str = ""
    cluster_id: str = ""
    role: str = ""
    managers: dict[str, str] = {}
    founded: bool = False  # this node began the store
    store_joined: bool = False
    external: bool = False  # the store is in an external etcd
    availability: str = ""
    join: PendingJoin | None = None


class Keyring(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    certificate: str
    key: str
    roots: str
    data_keys: tuple[bytes, ...] = ()
    unlock_key: str = ""  # with which the file is encrypted
    founding: Cluster | None = None  # made by `init`, and not yet in the store


class _Sealed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    body: bytes
    nonce: bytes = b""  # empty: not encrypted


@dataclass(frozen=True, slots=True)
class NodeFiles:
    """Synchronous; small files."""

    folder: Path
    runtime: Path

    @property
    def etcd(self) -> Path:
        return self.folder / "etcd"

    @property
    def backups(self) -> Path:
        return self.folder / "backups"

    @property
    def worker(self) -> Path:
        return self.folder / "worker"

    @property
    def tls(self) -> TlsFiles:
        return TlsFiles(
            certificate=self.runtime / "node.crt",
            key=self.runtime / "node.key",
            ca=self.runtime / "roots.crt",
        )

    def load_state(self) -> State | None:
        """Raises DataLoss."""
        return _decoded(self.folder / "state.json", State)

    def save_state(self, state: State) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomic(self.folder / "state.json", msgspec.json.encode(state))

    @property
    def is_locked(self) -> bool:
        sealed = _decoded(self.folder / "keyring", _Sealed)
        return sealed is not None and bool(sealed.nonce)

    def load_keyring(self, unlock_key: str = "") -> Keyring | None:
        """None: there's none. Raises WrongUnlockKey, DataLoss."""
        sealed = _decoded(self.folder / "keyring", _Sealed)
        if sealed is None:
            return None
        body = sealed.body
        if sealed.nonce:
            try:
                cipher = AESGCM(tokens.parse_unlock_key(unlock_key))
                body = cipher.decrypt(sealed.nonce, body, None)
            except InvalidTag as error:
                raise WrongUnlockKey from error
        return msgspec.json.decode(body, type=Keyring)

    def save_keyring(self, keyring: Keyring) -> None:
        """Also writes the files for TLS."""
        body, nonce = msgspec.json.encode(keyring), b""
        if keyring.unlock_key:
            nonce = secrets.token_bytes(_NONCE_BYTES)
            body = AESGCM(tokens.parse_unlock_key(keyring.unlock_key)).encrypt(nonce, body, None)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomic(self.folder / "keyring", msgspec.json.encode(_Sealed(body=body, nonce=nonce)))
        self.expose(keyring)

    def expose(self, keyring: Keyring) -> None:
        """Write the files for TLS."""
        self.runtime.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path, text in (
            (self.tls.key, keyring.key),
            (self.tls.certificate, keyring.certificate),
            (self.tls.ca, keyring.roots),
        ):
            write_atomic(path, text.encode(), durable=False)

    def forget_store(self) -> None:
        """After a demotion: this node's part of the store is over."""
        shutil.rmtree(self.etcd, ignore_errors=True)
        shutil.rmtree(self.backups, ignore_errors=True)

    def forget(self) -> None:
        """After leaving. `state.json` goes first: without it nothing else counts."""
        (self.folder / "state.json").unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.runtime, ignore_errors=True)


def _decoded(path: Path, kind: type[Record]) -> Record | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise DataLoss(f"{path} is damaged: {error}") from error
