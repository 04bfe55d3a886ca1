"""What every verb gets: the streams, the configuration file and a client made on first use."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.config import ConfigFile
    from sampan.client.api import Client
    from sampan.client.transport import TlsFiles


class Context:
    """One run of the command line. `words` are those that named the verb ("container ls")."""

    def __init__(
        self,
        environment: dict[str, str],
        *,
        host: str = "",
        tls: TlsFiles | None = None,
        config_dir: str = "",
        debug: bool = False,
    ) -> None:
        self.environment = environment
        self.host = host
        self.debug = debug
        self.words = ""
        self._tls = tls
        self._config_dir = config_dir
        self._config: ConfigFile | None = None
        self._client: Client | None = None

    @property
    def client(self) -> Client:
        if self._client is None:
            from sampan.client.api import Client
            from sampan.client.transport import DEFAULT_HOST, Endpoint

            address = self.host or self.environment.get("DOCKER_HOST", "") or DEFAULT_HOST
            endpoint = Endpoint(address, tls=self._tls)
            version = self.environment.get("DOCKER_API_VERSION", "").removeprefix("v")
            self._client = Client(endpoint, version=version, headers=self.config.http_headers)
        return self._client

    @property
    def config(self) -> ConfigFile:
        if self._config is None:
            from sampan.cli.config import ConfigFile, default_directory

            self._config = ConfigFile(self._config_dir or default_directory(self.environment))
        return self._config

    @staticmethod
    def out(text: str) -> None:
        sys.stdout.write(text)

    @staticmethod
    def say(text: str) -> None:
        """A line to standard output, visible at once."""
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    @staticmethod
    def err(text: str) -> None:
        sys.stdout.flush()
        sys.stderr.write(text)
        sys.stderr.flush()
