"""Secrets that must be read again (HMAC keys, deploy keys): sealed before they reach the database.

    <root>/sealing.key   0600, made at the first start; without it the secrets are unreadable

Fernet (AES-128-CBC with HMAC-SHA256): a copy of the database alone opens nothing.
"""

from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from sampan.errors import DataLoss
from sampan.lib.atomicfile import write_atomic

KEY_FILE = "sealing.key"


class SealBroken(DataLoss):
    def __init__(self) -> None:
        super().__init__("a stored secret can't be opened: was sealing.key replaced?")


class Sealer:
    """Thread-safe."""

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(key)

    def seal(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Raises SealBroken."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise SealBroken from error


def load_sealer(root: Path) -> Sealer:
    """Blocks. Raises DataLoss."""
    path = root / KEY_FILE
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = Fernet.generate_key()
        write_atomic(path, key, mode=0o600)
    try:
        return Sealer(key)
    except ValueError as error:
        raise DataLoss(f"{path} isn't a key: {error}") from error
