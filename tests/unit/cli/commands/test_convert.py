"""`convert`: which words are files and which services."""

from pathlib import Path

import pytest

from sampan.cli.main import main

PROJECT = "services: {web: {image: web}, cache: {image: cache}}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "boat.yaml").write_text(PROJECT)
    return tmp_path


def test_a_file_may_stand_without_its_flag(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = {"HOME": "/", "PWD": str(folder)}
    words = ["convert", "--to", "kubernetes", "boat.yaml", "web"]
    assert main(words, environment) == 0
    said = capsys.readouterr().out
    assert "image: web" in said
    assert "image: cache" not in said


def test_another_word_is_a_service(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environment = {"HOME": "/", "PWD": str(folder)}
    assert main(["convert", "--to", "ecs", "-f", "boat.yaml", "absent.yaml"], environment) == 1
    assert "no such service: absent.yaml" in capsys.readouterr().err
