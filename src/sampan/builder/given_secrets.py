"""What a step may borrow from the build's client: secret values and ssh agents.

A build is given one `Lent`; the default lends nothing, so that steps that require a secret fail and
others go without. Values are asked for when a step that mounts them really runs, never for a cache
key: a secret's value is in no key, layer, history or log.

An implementation that talks to the client may keep an agent's socket open until `close`, which the
build calls once, at its end.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class Secrets(Protocol):
    async def get(self, id: str) -> bytes | None:  # noqa: A002 - the word of the Dockerfile
        """The value; None when the client has no such secret."""
        ...


class SshAgents(Protocol):
    async def open(self, id: str) -> Path | None:  # noqa: A002
        """A Unix socket to mount into a step; None when the client forwards no such agent.

        The socket lives at least as long as the build; asking again may give the same.
        """
        ...


class NoSecrets:
    async def get(self, id: str) -> bytes | None:  # noqa: A002
        return None


class NoSshAgents:
    async def open(self, id: str) -> Path | None:  # noqa: A002
        return None


@dataclass(frozen=True, slots=True)
class Lent:
    """All that the client lends to one build."""

    secrets: Secrets = field(default_factory=NoSecrets)
    ssh: SshAgents = field(default_factory=NoSshAgents)
