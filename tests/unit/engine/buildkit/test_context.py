"""Which paths of the context a Dockerfile needs, and what an ignore file leaves out."""

import pytest

from sampan.builder.dockerfile.stages import parse_dockerfile
from sampan.engine.buildkit.context import ignore_patterns, named_paths


@pytest.mark.parametrize(
    ("lines", "paths"),
    [
        ("COPY a /", ["a"]),
        ("COPY ./a /b *.txt /d/", ["a", "b", "*.txt"]),
        ("COPY a /\nADD a https://x.test/y /z/", ["a"]),
        ("COPY --from=x a /\nRUN true", []),
        ("COPY <<E /f\nhi\nE", []),
        ("COPY . /", None),
        ("COPY / /", None),
        ("COPY $X /", None),
        ("COPY a/../b /", None),
    ],
)
def test_named_paths(lines, paths):
    assert named_paths(parse_dockerfile(f"FROM x\n{lines}\n")) == paths


def test_comments_and_blank_lines_are_no_patterns():
    assert ignore_patterns("\ufeff# c\n\n  a \n!b\n") == ["a", "!b"]
