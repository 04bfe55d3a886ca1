"""The `builder` object of daemon.json."""

import json

import pytest

from sampan.daemon.builder_config import BuilderConfig
from sampan.daemon.config import InvalidConfig, load


@pytest.fixture
def loaded(tmp_path):
    def load_file(builder):
        path = tmp_path / "daemon.json"
        path.write_text(json.dumps({"builder": builder}))
        return load(["--config-file", str(path)]).builder

    return load_file


def test_defaults(loaded):
    assert loaded({}) == BuilderConfig(max_parallelism=0, collects=True, kept_bytes=None)


def test_everything(loaded):
    found = loaded({"max-parallelism": 3, "gc": {"enabled": False, "defaultKeepStorage": "1GB"}})
    assert found == BuilderConfig(max_parallelism=3, collects=False, kept_bytes=1 << 30)


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {"nosuch": 1},
        {"max-parallelism": "3"},
        {"max-parallelism": -1},
        {"gc": {"policy": []}},
        {"gc": {"enabled": "yes"}},
        {"gc": {"defaultKeepStorage": "much"}},
    ],
)
def test_what_is_not_understood_is_refused(loaded, wrong):
    with pytest.raises(InvalidConfig):
        loaded(wrong)
