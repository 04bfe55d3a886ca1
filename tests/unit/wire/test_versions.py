"""Versions compare as numbers, and the package agrees with itself about its own."""

import tomllib
from pathlib import Path

import pytest

from sampan.wire.versions import (
    ENGINE_VERSION,
    MAXIMUM,
    ApiVersion,
    VersionTooNew,
    VersionTooOld,
    parse_version,
    split_path,
)


def test_engine_version_is_the_packages():
    project = Path(__file__).parents[3] / "pyproject.toml"
    assert tomllib.loads(project.read_text())["project"]["version"] == ENGINE_VERSION


def test_order_is_numeric():
    assert parse_version("1.9") < parse_version("1.10") < ApiVersion(2, 0)


def test_paths_are_split():
    assert split_path("/v1.41/containers/json") == (ApiVersion(1, 41), "/containers/json")
    assert split_path("/containers/json") == (MAXIMUM, "/containers/json")
    assert split_path("/v1.41") == (ApiVersion(1, 41), "/")
    assert split_path("/volumes/v1.2") == (MAXIMUM, "/volumes/v1.2")


def test_range_is_enforced():
    with pytest.raises(VersionTooOld):
        split_path("/v1.23/info")
    with pytest.raises(VersionTooNew):
        split_path("/v1.52/info")
