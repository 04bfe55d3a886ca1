import json
from pathlib import Path

import pytest

from sampan.errors import InvalidArgument
from sampan.linux.seccomp import compile_filter
from sampan.runtime.seccomp import (
    CRUN_ANNOTATION,
    SeccompPrograms,
    default_profile,
    parse_profile,
    resolve,
)
from sampan.runtime.spec_builder import defaults

HERE = Path(__file__).parent


def resolved(machine: str = "x86_64", *, more: tuple[str, ...] = ()) -> dict:
    return resolve(
        default_profile(),
        machine=machine,
        capabilities={*defaults()["capabilities"], *more},
        kernel=(5, 10),
    )


@pytest.mark.parametrize(("machine", "name"), [("x86_64", "amd64"), ("aarch64", "arm64")])
def test_default_profile_resolves_to_the_known_object(machine, name):
    golden = json.loads((HERE / f"seccomp-resolved-{name}.json").read_text())
    found = resolved(machine)
    assert found["architectures"] == golden["architectures"]
    assert found["syscalls"] == golden["syscalls"]


def test_capabilities_open_system_calls():
    def names(profile):
        return {n for rule in profile["syscalls"] if "args" not in rule for n in rule["names"]}

    assert "mount" not in names(resolved())
    assert "mount" in names(resolved(more=("CAP_SYS_ADMIN",)))


def test_a_profile_must_be_one():
    with pytest.raises(InvalidArgument):
        parse_profile("[]")
    with pytest.raises(InvalidArgument):
        parse_profile("{")


def test_programs_are_whole_instructions_and_differ_by_profile():
    one, two = compile_filter(resolved()), compile_filter(resolved(more=("CAP_SYS_ADMIN",)))
    assert len(one) % 8 == 0
    assert one != two


def test_annotate_adds_the_program_once_and_only_where_there_is_a_profile(tmp_path):
    programs = SeccompPrograms()
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"linux": {"seccomp": resolved()}}))
    programs.annotate(config)
    first = config.read_bytes()
    assert CRUN_ANNOTATION in json.loads(first)["annotations"]
    programs.annotate(config)
    assert config.read_bytes() == first
    config.write_text(json.dumps({"linux": {}}))
    programs.annotate(config)
    assert json.loads(config.read_text()) == {"linux": {}}


def test_what_cannot_be_compiled_is_left_to_the_runtime(tmp_path):
    config = tmp_path / "config.json"
    profile = {"defaultAction": "SCMP_ACT_NOTIFY", "syscalls": []}
    config.write_text(json.dumps({"linux": {"seccomp": profile}}))
    SeccompPrograms().annotate(config)
    assert json.loads(config.read_text()) == {"linux": {"seccomp": profile}}
