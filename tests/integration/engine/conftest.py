"""Each test of this folder runs twice: through the real docker CLI and through our own."""

import subprocess
from collections.abc import Callable, Iterator

import pytest

from integration.harness import Engine

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(params=["docker", "sampan"])
def cli(request: pytest.FixtureRequest, engine: Engine) -> Iterator[Cli]:
    yield getattr(engine, request.param)
    names = engine.docker("ps", "-aq", "--no-trunc").stdout.split()
    if names:
        engine.docker("rm", "-f", "-v", *names)
