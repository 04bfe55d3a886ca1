"""The structure rules of the code base, as tests: sizes, empty packages, no circle of imports."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src" / "sampan").rglob("*.py"))

FILE_LINES = 500
FUNCTION_LINES = 60

# path (and function) -> reason with a date; keep it short
EXCEPTIONS: dict[str, str] = {}


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_there_are_sources() -> None:
    assert len(SOURCES) > 50


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_keeps_the_size_rules(path: Path) -> None:
    text = path.read_text()
    name = str(path.relative_to(ROOT))
    if name not in EXCEPTIONS:
        assert text.count("\n") <= FILE_LINES, f"{name} is longer than {FILE_LINES} lines"
    for function in _functions(ast.parse(text)):
        length = (function.end_lineno or 0) - function.lineno + 1
        where = f"{name}:{function.name}"
        assert length <= FUNCTION_LINES or where in EXCEPTIONS, f"{where} has {length} lines"


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if path.name == "__init__.py"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_packages_hold_a_docstring_only(path: Path) -> None:
    body = ast.parse(path.read_text()).body
    assert len(body) == 1
    assert isinstance(body[0], ast.Expr)
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_say_what_they_are(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), f"{path} has no module docstring"


def test_exceptions_are_still_needed() -> None:
    for name in EXCEPTIONS:
        path = ROOT / name.partition(":")[0]
        assert path.exists(), f"the exception for {name} is out of date"


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def _imported(path: Path, modules: frozenset[str]) -> set[str]:
    """Wherever the import stands: at the top, in a function, for type checkers only."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names if names & modules else {str(node.module)}
    return (found & modules) - {_module(path)}


def test_imports_make_no_circle() -> None:
    """A module that is only needed for its types ties the two together all the same."""
    modules = frozenset(map(_module, SOURCES))
    graph = {_module(path): _imported(path, modules) for path in SOURCES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))
