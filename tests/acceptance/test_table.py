"""Every row of the table has tests with both clients, or something that stands for it."""

import re
import subprocess
import sys

import pytest

from acceptance.table import STANDS_FOR, read_rows, stand_ins
from integration.harness import ROOT

_LINE = re.compile(r"([AB]\d\d) .* (\d+|missing) +(\d+|missing)")


@pytest.mark.timeout(90)
def test_every_row_has_tests_with_both_clients() -> None:
    """As pytest finds them: node ids, then the table with numbers of tests."""
    words = ["-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests/acceptance"]
    done = subprocess.run(
        [sys.executable, *words, *stand_ins()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=80,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    lines = [match for match in map(_LINE.match, done.stdout.splitlines()) if match]
    found = {line[1]: (line[2], line[3]) for line in lines}
    assert found.keys() == read_rows().keys()
    assert {row: counts for row, counts in found.items() if "missing" in counts} == {}


def test_what_stands_for_a_row_is_a_test_or_a_row_with_tests() -> None:
    rows = read_rows().keys()
    assert rows >= STANDS_FOR.keys()
    for row, proofs in STANDS_FOR.items():
        assert proofs, row
        assert {each for each in proofs if "::" not in each} <= rows - STANDS_FOR.keys()
