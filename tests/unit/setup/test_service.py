import pytest

from sampan.errors import Internal
from sampan.setup import service
from sampan.setup.service import OPENRC, SYSTEMD, NoInit

PROGRAM = "/opt/venv/bin/sampan"


def test_the_packaged_path_becomes_the_programs_own(tmp_path):
    written = service.write(SYSTEMD, [PROGRAM], tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in written] == [
        "etc/systemd/system/sampan.service",
        "etc/systemd/system/sampan.socket",
    ]
    unit = written[0].read_text()
    assert f"\nExecStart={PROGRAM} daemon -H fd://\n" in unit
    assert "/usr/bin/sampan" not in unit
    assert "KillMode=process" in unit
    assert written[0].stat().st_mode & 0o777 == 0o644


def test_writing_again_changes_nothing(tmp_path):
    service.write(SYSTEMD, [PROGRAM], tmp_path)
    assert service.write(SYSTEMD, [PROGRAM], tmp_path) == []
    moved = service.write(SYSTEMD, ["/usr/local/bin/sampan"], tmp_path)
    assert [path.name for path in moved] == ["sampan.service"]


def test_a_program_of_several_words_is_quoted_for_systemd():
    text = service.text_of("sampan.service", ["/my venv/100%/python", "-m", "sampan.cli"])
    assert '\nExecStart="/my venv/100%%/python" -m sampan.cli daemon -H fd://\n' in text


def test_openrc_gets_a_script(tmp_path):
    (path,) = service.write(OPENRC, ["/venv/bin/python", "-m", "sampan.cli"], tmp_path)
    assert path == tmp_path / "etc/init.d/sampan"
    assert path.stat().st_mode & 0o777 == 0o755
    text = path.read_text()
    assert text.startswith("#!/sbin/openrc-run\n")
    assert '\ncommand="/venv/bin/python"\n' in text
    assert '\ncommand_args="-m sampan.cli daemon ${SAMPAN_OPTIONS:-}"\n' in text


def test_process_1_is_known_by_its_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(service.shutil, "which", lambda name: None)
    with pytest.raises(NoInit):
        service.detect(tmp_path)
    (tmp_path / "run/openrc").mkdir(parents=True)
    assert service.detect(tmp_path) == (OPENRC, True)
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert service.detect(tmp_path) == (SYSTEMD, True)


def test_in_an_image_the_program_tells(tmp_path, monkeypatch):
    monkeypatch.setattr(service.shutil, "which", lambda name: name if "ctl" in name else None)
    assert service.detect(tmp_path) == (SYSTEMD, False)


def test_a_name_in_path_is_kept_as_it_is(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/sampan").write_text("#!/bin/sh\n")
    (tmp_path / "real/sampan").chmod(0o755)
    (tmp_path / "sampan").symlink_to(tmp_path / "real/sampan")  # as pipx makes it
    monkeypatch.setenv("PATH", str(tmp_path))
    assert service.own_command("sampan", "/python") == [str(tmp_path / "sampan")]
    module = ["/python", "-m", "sampan.cli"]
    assert service.own_command("/x/sampan/cli/__main__.py", "/python") == module


def test_a_command_that_fails_says_why():
    with pytest.raises(Internal, match="no good"):
        service.run(["sh", "-c", "echo no good; exit 3"])
    with pytest.raises(Internal, match="no-such-program"):
        service.run(["no-such-program"])
