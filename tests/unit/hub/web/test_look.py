"""What holds the pages together: one palette, and modules that import each other in no circle."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import sampan.hub
from sampan.hub.web.pages import static_file

HUB = Path(sampan.hub.__file__).parent


def test_every_colour_is_said_once():
    style = (static_file("hub.css") or b"").decode()
    defined = re.findall(r"^ *(--[\w-]+):", style, re.MULTILINE)
    assert len(defined) == len(set(defined)) > 20
    used = set(re.findall(r"var\((--[\w-]+)\)", style))
    assert used <= set(defined)


def _imports(path):
    """Modules of the hub, also those that are imported for their types only."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sampan.hub"):
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


def test_no_module_imports_itself_by_others():
    files = {
        "sampan.hub." + ".".join(path.relative_to(HUB).with_suffix("").parts): path
        for path in HUB.rglob("*.py")
        if path.name != "__init__.py"
    }
    graph = {
        name: {each for each in _imports(path) if each in files} for name, path in files.items()
    }
    assert len(graph["sampan.hub.web.routes"]) > 5
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle
