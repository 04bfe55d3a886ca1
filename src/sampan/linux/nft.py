"""nftables through libnftables: the language of nft(8), transactions, JSON answers, no process.

One `Nft` is one library context with a netlink socket in the network namespace of the thread that
makes it; like the library it is for one thread at a time. All commands of one `run` are one
kernel transaction: they happen together or not at all.
"""

import ctypes
import json
from typing import Any, Self

from sampan.errors import Internal, Unsupported
from sampan.lib.needs import NFTABLES

_JSON, _HANDLE = 1 << 4, 1 << 3  # NFT_CTX_OUTPUT_JSON, NFT_CTX_OUTPUT_HANDLE


class RulesetRefused(Internal):
    """The kernel or the parser refused commands; nothing of them happened."""

    def __init__(self, said: str, commands: str) -> None:
        super().__init__(f"nftables: {said.strip() or 'failed'}")
        self.commands = commands


def _load() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(NFTABLES.library)
    except OSError as error:
        raise Unsupported(
            f"{NFTABLES.library} is missing: {NFTABLES.why} need it", hint=NFTABLES.hint()
        ) from error
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_new.argtypes = [ctypes.c_uint32]
    library.nft_ctx_free.argtypes = [ctypes.c_void_p]
    library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    for name in ("output", "error"):
        getattr(library, f"nft_ctx_buffer_{name}").argtypes = [ctypes.c_void_p]
        getter = getattr(library, f"nft_ctx_get_{name}_buffer")
        getter.argtypes = [ctypes.c_void_p]
        getter.restype = ctypes.c_char_p
    return library


class Nft:
    """One libnftables context; close it, or use it as a context manager."""

    def __init__(self) -> None:
        self._library = _load()
        self._context = self._library.nft_ctx_new(0)
        if not self._context:
            raise Internal("nftables: no library context")
        self._library.nft_ctx_buffer_output(self._context)
        self._library.nft_ctx_buffer_error(self._context)
        self._library.nft_ctx_output_set_flags(self._context, _JSON | _HANDLE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        if self._context:
            self._library.nft_ctx_free(self._context)
            self._context = None

    def run(self, commands: str) -> str:
        """Run commands as one transaction; returns the output (JSON) of those that list."""
        result = self._library.nft_run_cmd_from_buffer(self._context, commands.encode())
        output: bytes = self._library.nft_ctx_get_output_buffer(self._context) or b""
        said: bytes = self._library.nft_ctx_get_error_buffer(self._context) or b""
        if result != 0:
            raise RulesetRefused(said.decode(errors="replace"), commands)
        return output.decode()

    # Any: what nft lists is a JSON document of many shapes (libnftables-json(5))
    def list(self, what: str) -> list[dict[str, Any]]:
        """The objects of `list <what>`, each a one-key dict such as {"rule": {...}}."""
        output = self.run(f"list {what}")
        found: list[dict[str, Any]] = json.loads(output)["nftables"] if output else []
        return [entry for entry in found if "metainfo" not in entry]
