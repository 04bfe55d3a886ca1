"""Objects as they lie in etcd: JSON, encrypted with the cluster's data key.

    1 byte    format, 1
    4 bytes   which data key (the first bytes of its SHA-256)
    12 bytes  nonce
    rest      AES-256-GCM of the JSON; the object's key in etcd is authenticated with it

So neither etcd's files nor its snapshots give away secrets, environment variables or the CA's key,
and a value can't be moved to another key. `version` isn't stored: it is etcd's revision of the key.
All managers have the data keys; where they keep them is daemon/swarm's matter (see node_files).
"""

import hashlib
import secrets
from collections.abc import Sequence

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sampan.errors import DataLoss
from sampan.swarm.model import KINDS, Object

KEY_BYTES = 32
_FORMAT = b"\x01"
_ID_BYTES, _NONCE_BYTES = 4, 12
_HEAD = 1 + _ID_BYTES + _NONCE_BYTES
_DECODERS = {kind.KIND: msgspec.json.Decoder(kind) for kind in KINDS}


class Unreadable(DataLoss):
    def __init__(self, key: str) -> None:
        super().__init__(f"the swarm's record {key} can't be decrypted with this manager's keys")


def new_data_key() -> bytes:
    return secrets.token_bytes(KEY_BYTES)


class Sealer:
    """The last of `keys` encrypts; all decrypt."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = {_id_of(key): AESGCM(key) for key in keys}
        self._current = _id_of(keys[-1])

    def seal(self, key: str, item: Object) -> bytes:
        plain = msgspec.json.encode(msgspec.structs.replace(item, version=0))
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self._current].encrypt(nonce, plain, key.encode())
        return _FORMAT + self._current + nonce + sealed

    def open(self, key: str, kind: str, value: bytes, version: int) -> Object:
        """Raises Unreadable."""
        cipher = self._ciphers.get(value[1 : 1 + _ID_BYTES])
        if value[:1] != _FORMAT or cipher is None:
            raise Unreadable(key)
        try:
            plain = cipher.decrypt(value[1 + _ID_BYTES : _HEAD], value[_HEAD:], key.encode())
            item = _DECODERS[kind].decode(plain)
        except (InvalidTag, msgspec.DecodeError) as error:
            raise Unreadable(key) from error
        return msgspec.structs.replace(item, version=version)


def _id_of(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()[:_ID_BYTES]
