"""One private engine with the tutorials' base images, or stand-ins for them."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from integration.harness import ROOT, Engine

BASES = (
    "python:3.6-alpine",
    "mysql/mysql-server:5.7",
    "docker.elastic.co/elasticsearch/elasticsearch-oss:6.1.1",
    "ubuntu",
    "ubuntu:14.04",
)


@pytest.fixture(scope="session")
def equipped_engine() -> Iterator[Engine]:
    engine = Engine()
    engine.start()
    try:
        _make_stand_ins(engine)
        yield engine
    finally:
        engine.destroy()
    engine.check_nothing_is_left()


def _make_stand_ins(engine: Engine) -> None:
    """Needs Debian's mirror; what takes long is kept in .cache/offline."""
    made = subprocess.run(
        [ROOT / "scripts" / "offline-images", *BASES],
        env={**os.environ, "DOCKER_HOST": engine.host},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.fail(
            "scripts/offline-images can't make the base images (it needs mmdebstrap and Debian's "
            f"mirror):\n{made.stdout[-3000:]}"
        )
