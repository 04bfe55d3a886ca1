"""Examples are read by people with old images: python:3.6 must still understand them."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "examples").rglob("*.py"))


def test_there_are_examples() -> None:
    assert {path.relative_to(ROOT / "examples").parts[0] for path in SOURCES} >= {
        "cloud-native-app",
        "microblog",
    }


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_is_python_3_6(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 6))
