import pytest

from sampan.lib import needs
from sampan.setup.findings import Finding, Status, needs_of, would_run


def finding(status, need=None):
    return Finding(name="x", status=status, found="", why="", need=need)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((Status.OK, Status.OPTIONAL), True),
        ((Status.OK, Status.MISSING), False),
        ((Status.OK, Status.UNKNOWN), False),
    ],
)
def test_an_engine_runs_where_nothing_needed_lacks(statuses, expected):
    assert would_run([finding(status) for status in statuses]) is expected


def test_needs_are_those_of_the_statuses_asked_for():
    findings = [
        finding(Status.MISSING, needs.RUNTIME),
        finding(Status.OPTIONAL, needs.GIT),
        finding(Status.MISSING),
    ]
    assert needs_of(findings, Status.MISSING) == [needs.RUNTIME]
    assert needs_of(findings, Status.MISSING, Status.OPTIONAL) == [needs.RUNTIME, needs.GIT]
