"""The table of everything the two tutorials show, and the mark that ties tests to its rows.

    @row("A08")                     this test proves the row; several tests may prove one together
    @row("A08", "A16")              ... and one test several rows

A row is proved when, with each client, it has tests and all of them passed. A test that doesn't
take a client counts for both. Rows that aren't commands (host steps of other distributions,
remarks) are in STANDS_FOR, with the rows or tests that stand for them; as a program this module
prints the latter, so that they can be run with the rest.
"""

import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

CLIENTS = ("docker", "sampan")
_WHEEL = "tests/integration/packaging/test_wheel.py::"
STANDS_FOR: dict[str, tuple[str, ...]] = {
    # the text installs Docker's packages of 2017; ours is a wheel in an environment of its own
    "B04": (_WHEEL + "test_setup_tries_this_machine_from_there",),
    "B05": (_WHEEL + "test_the_wheel_has_every_file_of_the_package", "B27"),  # apt-key: B27
    "B06": (_WHEEL + "test_the_sdist_has_the_sources_and_nothing_of_the_machine", "B27"),
    "B07": (_WHEEL + "test_setup_tries_this_machine_from_there",),
    "B08": (_WHEEL + "test_setup_tries_this_machine_from_there",),
    "B09": (_WHEEL + "test_the_installed_program_is_far_from_the_tree",),
    "B10": (_WHEEL + "test_containers_run", _WHEEL + "test_units_start_the_installed_program"),
    "B13": (_WHEEL + "test_units_start_the_installed_program",),
    # clients on other systems: the wheel has no compiled part
    "B14": (_WHEEL + "test_the_installed_program_is_far_from_the_tree",),
}

row = pytest.mark.row


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    tutorial: str
    kind: str
    command: str
    must_do: str
    visible_result: str


def read_rows() -> dict[str, Row]:
    with Path(__file__).with_name("commands.tsv").open() as lines:
        rows = [Row(**each) for each in csv.DictReader(lines, delimiter="\t", quoting=3)]
    assert len({each.id for each in rows}) == len(rows), "an id occurs twice"
    return {each.id: each for each in rows}


def rows_of(item: pytest.Item) -> list[str]:
    """Ids of the rows that a test is for."""
    return [str(name) for mark in item.iter_markers("row") for name in mark.args]


def story_of(item: pytest.Item) -> tuple[Path, str] | None:
    """The tests with the same story go on from one another; None for a test that isn't in one."""
    call = getattr(item, "callspec", None)
    name = call.params.get("cli") if call and rows_of(item) else None
    return (item.path, name) if name else None


def clients_of(item: pytest.Item) -> tuple[str, ...]:
    """Which clients a test runs with: one, or none of them in particular, which is both."""
    call = getattr(item, "callspec", None)
    name = call.params.get("cli") if call else None
    return (name,) if name else CLIENTS


def stand_ins() -> list[str]:
    """Tests of elsewhere that stand for rows."""
    return sorted({each for proofs in STANDS_FOR.values() for each in proofs if "::" in each})


if __name__ == "__main__":
    sys.stdout.write("\n".join(stand_ins()) + "\n")
