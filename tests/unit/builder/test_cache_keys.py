"""Cache keys: every input counts, and its name stays known."""

import pytest

from sampan.builder.cache_keys import KEPT_FILES, Step, cache_key

GIVEN = {
    "sources": ("sha256:s",),
    "arguments": {"V": "1"},
    "environment": {"PATH": "/bin"},
    "config": {"Healthcheck": {"Test": ["NONE"]}, "OnBuild": ["RUN true"]},
    "platform": {"os": "linux", "architecture": "amd64"},
}


@pytest.mark.parametrize(
    "change",
    [
        {"sources": ("sha256:t",)},
        {"arguments": {"V": "2"}},
        {"environment": {"PATH": "/sbin"}},
        {"config": {"Healthcheck": {"Test": ["CMD", "x"]}, "OnBuild": ["RUN true"]}},
        {"config": {"Healthcheck": {"Test": ["NONE"]}, "OnBuild": ["RUN false"]}},
        {"platform": {"os": "linux", "architecture": "arm64"}},
        {"new": 1},
    ],
)
def test_any_input_makes_another_key(change):
    assert cache_key("run", "b", **GIVEN).digest != cache_key("run", "b", **(GIVEN | change)).digest


def test_kind_and_base_count_and_order_of_names_does_not():
    key = cache_key("run", "b", x=1, y=2)
    assert key.digest == cache_key("run", "b", y=2, x=1).digest
    assert key.digest != cache_key("copy", "b", x=1, y=2).digest
    assert key.digest != cache_key("run", "c", x=1, y=2).digest


def test_argument_is_no_environment_variable():
    one = cache_key("run", "", arguments={"A": "1"})
    assert one.digest != cache_key("run", "", environment={"A": "1"}).digest


def test_long_values_are_kept_as_hashes():
    parts = cache_key("run", "", arguments={"short": "1", "long": "x" * 5000}).parts
    assert parts.arguments["short"] == "1"
    assert len(parts.arguments["long"]) < 30


def test_of_very_many_files_only_folders_are_kept():
    files = {f"src/{number % 7}/{number}": f"{number:064}" for number in range(KEPT_FILES + 1)}
    before = cache_key("file", "", files=files).parts.files
    after = cache_key("file", "", files=files | {"src/3/3": "f" * 64}).parts.files
    assert sorted(before) == [f"src/{number}/" for number in range(7)]
    assert {path for path in before if before[path] != after[path]} == {"src/3/"}


def test_step_is_found_by_text_or_by_number():
    step = Step(build="b", stage="0", index=3, text="RUN a")
    moved = Step(build="b", stage="0", index=4, text="RUN a")
    changed = Step(build="b", stage="0", index=3, text="RUN b")
    other = Step(build="c", stage="0", index=3, text="RUN a")
    assert step.places()[0] == moved.places()[0]
    assert step.places()[1] == changed.places()[1]
    assert not set(step.places()) & set(other.places())
