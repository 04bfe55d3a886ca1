import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from registry_parts import Engine, Server


@pytest.fixture(params=[False], ids=["open"])
def registry(request, tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("registry"), locked=request.param)
    yield server
    server.close()


@pytest.fixture
def make_engine(tmp_path):
    """Engines are closed by the test (they belong to its event loop)."""

    def make(name="engine", **options):
        return Engine(tmp_path / name, **options)

    return make
