"""`~/.docker/config.json`: credentials, extra HTTP headers, default formats, proxies.

    <dir>/config.json   {"auths": {HOST: {"auth": base64(user:password)}},
                         "credsStore": NAME, "credHelpers": {HOST: NAME},
                         "HttpHeaders": {..}, "psFormat": "..", "detachKeys": "..",
                         "proxies": {"default": {"httpProxy": ".."}}}

The file is read once and lazily, and written by login and logout only (temp file, then rename,
mode 0600). Keys this version doesn't know are kept.
"""

from __future__ import annotations

from sampan.errors import InvalidArgument
from sampan.lib.jsontext import NotJson, decode, encode_indented

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PROXIES = {
    "httpProxy": "HTTP_PROXY",
    "httpsProxy": "HTTPS_PROXY",
    "noProxy": "NO_PROXY",
    "ftpProxy": "FTP_PROXY",
    "allProxy": "ALL_PROXY",
}


def default_directory(environment: dict[str, str]) -> str:
    return environment.get("DOCKER_CONFIG") or environment.get("HOME", "") + "/.docker"


class ConfigFile:
    """The file's content; a missing file is an empty one. Raises InvalidArgument when garbled."""

    def __init__(self, directory: str) -> None:
        self.path = f"{directory}/config.json"
        self.values: dict[str, Any] = {}
        try:
            with open(self.path, "rb") as file:  # noqa: PTH123 - pathlib costs 4 ms to import
                content = file.read()
        except OSError:
            return
        try:
            values = decode(content) if content.strip() else {}
        except NotJson as error:
            raise InvalidArgument(f"{self.path}: {error}") from error
        if isinstance(values, dict):
            self.values = values

    def text(self, key: str) -> str:
        value = self.values.get(key)
        return value if isinstance(value, str) else ""

    def section(self, key: str) -> dict[str, Any]:
        value = self.values.get(key)
        return value if isinstance(value, dict) else {}

    @property
    def http_headers(self) -> dict[str, str]:
        return {name: str(value) for name, value in self.section("HttpHeaders").items()}

    def proxy_variables(self, address: str) -> dict[str, str]:
        """The proxy settings for containers of the engine at `address`, in both spellings."""
        proxies = self.section("proxies")
        chosen = proxies.get(address) or proxies.get("default") or {}
        found: dict[str, str] = {}
        for key, name in _PROXIES.items():
            if value := chosen.get(key):
                found[name] = found[name.lower()] = str(value)
        return found

    def save(self) -> None:
        """Writes the file so that a crash leaves the old or the new one, never a part."""
        from pathlib import Path

        from sampan.lib.atomicfile import write_atomic

        Path(self.path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = encode_indented(self.values, "\t") + "\n"
        write_atomic(Path(self.path), text.encode(), mode=0o600)
