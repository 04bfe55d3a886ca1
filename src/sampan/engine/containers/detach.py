"""The keys that end an attach without ending the container (default ctrl-p ctrl-q)."""

from sampan.errors import InvalidArgument

DEFAULT = "ctrl-p,ctrl-q"

_CTRL = {"@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31}


class InvalidDetachKeys(InvalidArgument):
    def __init__(self, keys: str) -> None:
        super().__init__(f"Invalid detach keys ({keys}) provided")


def parse(keys: str) -> bytes:
    """The bytes that the terminal sends for `ctrl-a,x,...`. Raises InvalidDetachKeys."""
    return bytes(_key(word, keys) for word in keys.split(","))


def _key(word: str, keys: str) -> int:
    if len(word) == 1:
        return ord(word)
    name = word.removeprefix("ctrl-")
    if len(name) == 1 and name != word:
        if name.isascii() and name.isalpha():
            return ord(name.lower()) - ord("a") + 1
        if name in _CTRL:
            return _CTRL[name]
    raise InvalidDetachKeys(keys)


class DetachScanner:
    """Watches the bytes typed; holds back a beginning of the sequence until it's decided."""

    def __init__(self, sequence: bytes) -> None:
        self._sequence = sequence
        self._seen = 0

    @property
    def armed(self) -> bool:
        return bool(self._sequence)

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """What to pass on, and whether the sequence is complete (the rest is dropped)."""
        passed = bytearray()
        for byte in data:
            if self._sequence and byte == self._sequence[self._seen]:
                self._seen += 1
                if self._seen == len(self._sequence):
                    return bytes(passed), True
                continue
            passed += self._sequence[: self._seen]
            self._seen = 0
            if self._sequence and byte == self._sequence[0]:
                self._seen = 1
            else:
                passed.append(byte)
        return bytes(passed), False
