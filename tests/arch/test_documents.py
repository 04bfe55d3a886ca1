"""Documents as tests: every relative link leads somewhere, every dependency is accounted for."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").glob("*/README.md")),
]

PICTURE_BYTES = 150_000

_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def _prose(path: Path) -> str:
    return _FENCE.sub("", path.read_text())


def _anchors(path: Path) -> set[str]:
    headings = (re.sub(r"[^\w\- ]", "", each.lower()) for each in _HEADING.findall(_prose(path)))
    return {each.strip().replace(" ", "-") for each in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for link in _LINK.findall(_prose(path)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), f"{path.name}: {link} leads nowhere"
        assert not anchor or anchor in _anchors(target), f"{path.name}: no heading for {link}"


def test_readme_names_every_document() -> None:
    linked = {(ROOT / link).resolve() for link in _LINK.findall(_prose(ROOT / "README.md"))}
    missing = [path.name for path in (ROOT / "docs").glob("*.md") if path not in linked]
    assert not missing


def test_pictures_are_shown_and_small() -> None:
    links = [link for path in DOCUMENTS for link in _LINK.findall(_prose(path))]
    shown = {Path(link).name for link in links}
    for picture in (ROOT / "docs" / "images").iterdir():
        assert picture.name in shown, f"{picture.name}: no document shows it"
        assert picture.stat().st_size <= PICTURE_BYTES, f"{picture.name} is too large"


def test_architecture_draws_the_layers_and_names_their_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers = next(
        each["layers"]
        for each in project["tool"]["importlinter"]["contracts"]
        if each["name"] == "layers"
    )
    text = (ROOT / "docs" / "architecture.md").read_text()
    assert "\n".join(f" {layer}" for layer in layers) in text
    packages = [name for layer in layers for name in layer.split(" | ")]
    missing = [name for name in packages if f"**{name}**" not in text]
    assert not missing
    folders = [path.name for path in (ROOT / "tests").iterdir() if any(path.glob("**/test_*.py"))]
    missing = [name for name in folders if f"| {name} |" not in text]
    assert not missing


def test_every_library_has_one_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"]]
    wanted += [each for name, group in extras.items() if name != "dev" for each in group]
    table = (ROOT / "docs" / "dependencies.md").read_text()
    firsts = re.findall(r"^\| ([^|]+) \|", table.split("Programs:")[0], re.MULTILINE)
    for requirement in wanted:
        name = re.split(r"[\[<>=]", requirement)[0].removesuffix("-py")
        plain = re.compile(rf"\b{re.escape(name)}\b", re.IGNORECASE)
        lines = [first for first in firsts if plain.search(first)]
        assert len(lines) == 1, f"{requirement}: {lines}"
