"""Why a step isn't cached."""

import pytest

from sampan.builder.cache_keys import Step, cache_key
from sampan.builder.misses import reasons, remembered
from sampan.builder.progress import Changed, Reason

STEP = Step(text="RUN make", index=1, base="alpine", arguments={"V": "1"})


def of(step=STEP, base="sha256:a", **inputs):
    kind = "exec" if step.text.startswith("RUN") else "config"
    return remembered(cache_key(kind, base, **inputs), step)


def test_first_time():
    assert reasons(None, of()) == (Reason(Changed.NEVER_CACHED),)


def test_nothing_changed_but_the_result_is_gone():
    assert reasons(of(), of()) == (Reason(Changed.RESULT_GONE),)


def test_files_are_named():
    found = reasons(
        of(files={"a": "1", "b": "1", "c": "1"}, content="x"),
        of(files={"b": "2", "c": "1", "d": "1"}, content="y"),
    )
    assert found == (
        Reason(Changed.FILE_REMOVED, "a"),
        Reason(Changed.FILE_CHANGED, "b"),
        Reason(Changed.FILE_ADDED, "d"),
    )


def test_instruction_comes_alone():
    now = of(Step(text="RUN make all", index=1), argv=["make all"])
    found = reasons(of(argv=["make"]), now)
    assert found == (Reason(Changed.INSTRUCTION, "", "RUN make", "RUN make all"),)


@pytest.mark.parametrize("text", ["ENV A=$V", "ENV A=${V}", "ENV A=${V:-1}"])
def test_argument_that_a_word_names(text):
    before = of(Step(text=text, index=1, arguments={"V": "1", "W": "1"}))
    now = of(Step(text=text, index=1, arguments={"V": "2", "W": "2"}), command="A=2")
    assert reasons(before, now) == (Reason(Changed.ARGUMENT, "V", "1", "2"),)


def test_argument_of_run():
    now = Step(text="RUN make", index=1, base="alpine", arguments={"V": "2", "N": "x"})
    found = reasons(of(), of(now, environment={"V": "2", "N": "x"}))
    assert found == (
        Reason(Changed.ARGUMENT, "N", "", "x"),
        Reason(Changed.ARGUMENT, "V", "1", "2"),
    )


def test_base_image_and_step_before():
    first = Step(text="RUN make", index=0, base="alpine:3")
    assert reasons(of(first), of(first, base="sha256:b")) == (
        Reason(Changed.BASE, "alpine:3", "sha256:a", "sha256:b"),
    )
    other = Step(text="RUN make", index=0, base="alpine:4")
    assert reasons(of(first), of(other, base="sha256:b")) == (
        Reason(Changed.BASE, "alpine:4", "alpine:3", "alpine:4"),
    )
    assert reasons(of(), of(base="sha256:b", environment={"A": "1"})) == (Reason(Changed.PARENT),)


def test_source_of_files():
    found = reasons(of(sources=["x"]), of(sources=["y"]))
    assert found == (Reason(Changed.SOURCE, "", "x", "y"),)


def test_environment_and_settings_when_nothing_else_is():
    found = reasons(of(environment={"A": "1"}, cwd="/"), of(environment={"A": "2"}, cwd="/x"))
    assert found == (
        Reason(Changed.ENVIRONMENT, "A", "1", "2"),
        Reason(Changed.SETTING, "cwd", "/", "/x"),
    )
