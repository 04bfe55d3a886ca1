"""Builds with the real client, from a context that a test lays out."""

from pathlib import Path

import pytest


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    folder.mkdir()
    return folder


def put(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@pytest.fixture
def built(engine, context):
    """built(dockerfile, *options, files={...}) -> CompletedProcess, by the classic protocol."""

    def run(dockerfile, *options, files=None, check=True):
        put(context, {"Dockerfile": dockerfile.encode(), **(files or {})})
        return engine.docker("build", *options, context, check=check)

    return run


@pytest.fixture
def shown(engine):
    """What a command prints in an image."""

    def run(image, *command):
        return engine.docker("run", "--rm", image, *command).stdout

    return run
