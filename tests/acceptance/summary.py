"""The table with what became of each row, printed when acceptance tests ran.

    id   command             docker  sampan
    A01  docker version      pass    pass

pass: it has tests with that client, and all passed; FAIL: one didn't; missing: none ran. With
--collect-only the tests are counted instead, so that rows without any are seen at once.
"""

from collections import defaultdict
from collections.abc import Iterator

import pytest

from acceptance.table import CLIENTS, STANDS_FOR, clients_of, read_rows, rows_of, story_of

_WIDTH = 72


class Summary:
    """A plugin of pytest's: notes outcomes by row and client."""

    def __init__(self) -> None:
        self._tests: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._all: set[str] = set()
        self._passed: set[str] = set()
        self._failed: set[str] = set()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            for name in rows_of(item):
                for client in clients_of(item):
                    self._tests[name, client].add(item.nodeid)
            self._all.add(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed.add(report.nodeid)
        elif report.when == "call" and report.passed:
            self._passed.add(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A story with a test that failed is told again from its beginning by --last-failed."""
        plugin = session.config.pluginmanager.get_plugin("lfplugin")
        if plugin is None or not self._failed:
            return
        stories = {item.nodeid: story_of(item) for item in session.items}
        again = {stories.get(name) for name in self._failed} - {None}
        plugin.lastfailed.update({name: True for name, of in stories.items() if of in again})

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._tests:
            return
        counted = terminalreporter.config.option.collectonly
        terminalreporter.section("the tutorials, row by row")
        for line in self._lines(counted=counted):
            terminalreporter.line(line)

    def _lines(self, *, counted: bool) -> Iterator[str]:
        yield _line("id", "command", *CLIENTS)
        for row in read_rows().values():
            found = [self._state(row.id, client, counted=counted) for client in CLIENTS]
            yield _line(row.id, row.command, *found)

    def _state(self, row: str, client: str, *, counted: bool) -> str:
        tests = set(self._tests[row, client])
        for proof in STANDS_FOR.get(row, ()):
            tests |= self._tests[proof, client] or self._named(proof)
        if counted:
            return str(len(tests)) if tests and tests <= self._all else "missing"
        if tests & self._failed:
            return "FAIL"
        return "pass" if tests and tests <= self._passed else "missing"

    def _named(self, test: str) -> set[str]:
        """Node ids of a test, with whatever parameters; its own name where it isn't there."""
        return {each for each in self._all if each.partition("[")[0] == test} or {test}


def _line(name: str, command: str, *states: str) -> str:
    short = command if len(command) <= _WIDTH else command[: _WIDTH - 3] + "..."
    return f"{name:4} {short:{_WIDTH}} " + " ".join(f"{state:7}" for state in states).rstrip()
