"""Dockerfiles to typed instructions, and the texts of their mistakes: dockerd 20.10's."""

import pytest

from sampan.builder.dockerfile import instructions as kinds
from sampan.builder.dockerfile.source import BadInstruction
from sampan.builder.dockerfile.stages import TargetNotFound, parse_dockerfile, parse_trigger
from sampan.errors import InvalidArgument

MISTAKES = [
    ("FROM b\nBOGUS x\n", "dockerfile parse error line 2: unknown instruction: BOGUS"),
    ("# nothing\n", "failed to parse Dockerfile: file with no instructions"),
    ("RUN true\n", "no build stage in current context"),
    (
        "FROM b\nCOPY a\n",
        (
            "dockerfile parse error line 2: COPY requires at least two arguments, but only one was "
            "provided. Destination could not be determined"
        ),
    ),
    ("FROM b\nENV a\n", "failed to parse Dockerfile: ENV must have two arguments"),
    ("FROM b\nENV\n", "dockerfile parse error line 2: ENV requires at least one argument"),
    (
        "FROM b\nENV a=b c\n",
        (
            'failed to parse Dockerfile: Syntax error - can\'t find = in "c". '
            "Must be of the form: name=value"
        ),
    ),
    ("FROM\n", "dockerfile parse error line 1: FROM requires either one or three arguments"),
    ("FROM a b\n", "dockerfile parse error line 1: FROM requires either one or three arguments"),
    (
        "FROM b AS 1a\n",
        (
            'dockerfile parse error line 1: invalid name for build stage: "1a", '
            "name can't start with a number or contain symbols"
        ),
    ),
    (
        "FROM b\nSHELL sh\n",
        "dockerfile parse error line 2: SHELL requires the arguments to be in JSON form",
    ),
    (
        'FROM b\nVOLUME [""]\n',
        "dockerfile parse error line 2: VOLUME specified can not be an empty string",
    ),
    ("FROM b\nUSER\n", "dockerfile parse error line 2: USER requires exactly one argument"),
    (
        "FROM b\nHEALTHCHECK FOO\n",
        'dockerfile parse error line 2: Unknown type "FOO" in HEALTHCHECK (try CMD)',
    ),
    (
        "FROM b\nHEALTHCHECK NONE x\n",
        "dockerfile parse error line 2: HEALTHCHECK NONE takes no arguments",
    ),
    (
        "FROM b\nHEALTHCHECK CMD\n",
        "dockerfile parse error line 2: Missing command after HEALTHCHECK CMD",
    ),
    (
        "FROM b\nHEALTHCHECK --interval=x CMD a\n",
        'dockerfile parse error line 2: time: invalid duration "x"',
    ),
    (
        "FROM b\nHEALTHCHECK --interval=1us CMD a\n",
        'dockerfile parse error line 2: Interval "interval" cannot be less than 1ms',
    ),
    ("FROM b\nHEALTHCHECK --foo=x CMD a\n", "dockerfile parse error line 2: Unknown flag: foo"),
    (
        "FROM b\nONBUILD ONBUILD x\n",
        "dockerfile parse error line 2: Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed",
    ),
    (
        "FROM b\nONBUILD FROM x\n",
        "dockerfile parse error line 2: FROM isn't allowed as an ONBUILD trigger",
    ),
    ("FROM b\nARG =b\n", "dockerfile parse error line 2: ARG names can not be blank"),
    ("FROM b\nCOPY --unpack a /\n", "dockerfile parse error line 2: Unknown flag: unpack"),
    ("FROM b\nADD --from=x a /\n", "dockerfile parse error line 2: Unknown flag: from"),
    (
        "FROM b\nCOPY --link=x a /\n",
        "dockerfile parse error line 2: Expecting boolean value for flag link, not: x",
    ),
    (
        "FROM b\nCOPY --from=$x a /\n",
        (
            "dockerfile parse error line 2: variable expansion is not supported for --from, define "
            "a new stage with FROM using ARG from global scope as a workaround: $x"
        ),
    ),
    (
        "FROM b\nRUN --network=x true\n",
        'dockerfile parse error line 2: unsupported network mode "x"',
    ),
    (
        "FROM b\nRUN --security=x true\n",
        'dockerfile parse error line 2: security "x" is not valid',
    ),
    (
        "FROM b\nRUN --mount=type=bind,nosuch=1 true\n",
        "dockerfile parse error line 2: unexpected key 'nosuch' in 'nosuch=1'",
    ),
    (
        f"FROM b\nRUN {'x' * 70000}\n",
        "failed to parse Dockerfile: dockerfile line greater than maximum allowed size of 65535",
    ),
    (
        "# check=x\n# check=y\nFROM b\n",
        "failed to parse Dockerfile: only one check parser directive can be used",
    ),
    (
        "FROM b\nCOPY --chown a /b c\n",
        "dockerfile parse error line 2: Missing a value on flag: chown",
    ),
    (
        "# escape=x\nFROM b\n",
        "failed to parse Dockerfile: invalid escape token 'x' does not match ` or \\",
    ),
    (
        "# escape=`\n# escape=`\nFROM b\n",
        "failed to parse Dockerfile: only one escape parser directive can be used",
    ),
    ("FROM b\nRUN <<EOF\necho\n", "failed to parse Dockerfile: unterminated heredoc"),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_mistake(text, message):
    with pytest.raises(InvalidArgument) as caught:
        parse_dockerfile(text)
    assert caught.value.message == message


def only(text):
    (instruction,) = parse_dockerfile(f"FROM b\n{text}\n").stages[0].instructions
    return instruction


def test_continuations_join_without_a_blank_and_comments_vanish():
    found = only("RUN a \\\n  # gone\n  && b")
    assert found.text == "RUN a   && b"
    assert (found.where.first_line, found.where.last_line) == (2, 4)


def test_doubled_escape_is_no_continuation():
    stage = parse_dockerfile("FROM b\nRUN echo \\\\\nRUN x\n").stages[0]
    assert [one.text for one in stage.instructions] == ["RUN echo \\\\", "RUN x"]


def test_blank_continuation_line_warns():
    parsed = parse_dockerfile("FROM b\nRUN a \\\n\n  b\n")
    assert [where.first_line for where in parsed.gaps] == [2]


def test_backtick_escape_directive():
    parsed = parse_dockerfile("# escape=`\nFROM b\nRUN dir c:\\ `\n  x\n")
    assert parsed.stages[0].instructions[0].text == "RUN dir c:\\   x"


@pytest.mark.parametrize(
    ("text", "words", "shell_form"),
    [
        ('RUN ["a", "b c"]', ("a", "b c"), False),
        ("RUN ['a']", ("['a']",), True),
        ('RUN [ "a",', ('[ "a",',), True),
        ("RUN", (), True),
        ("CMD  echo  $x ", ("echo  $x",), True),
    ],
)
def test_exec_and_shell_form(text, words, shell_form):
    assert only(text).command == kinds.Command(words, shell_form)


def test_env_forms():
    assert only("ENV a=b \"c d\"='e f' g=h\\ i").pairs == (
        ("a", "b"),
        ('"c d"', "'e f'"),
        ("g", "h\\ i"),
    )
    assert only("ENV A B  c").pairs == (("A", "B  c"),)


def test_healthcheck_flags():
    found = only("HEALTHCHECK --interval=1m30s --retries=2 CMD curl x")
    assert found.interval_ns == 90_000_000_000
    assert found.retries == 2
    assert found.command == kinds.Command(("curl x",), shell_form=True)


def test_copy_flags_and_json():
    found = only('COPY --from=one --chown=7:8 ["a b", "/c d/"]')
    assert (found.from_stage, found.chown) == ("one", "7:8")
    assert (found.sources, found.destination) == (("a b",), "/c d/")


def test_heredocs_in_order():
    found = only('COPY <<A <<-"B" /x/\none $v\nA\n\ttwo\n\tB')
    assert [(doc.name, doc.body, doc.expand) for doc in found.heredocs] == [
        ("A", "one $v\n", True),
        ("B", "two\n", False),
    ]


def test_onbuild_keeps_the_text():
    found = only("ONBUILD  RUN --x   echo  a")
    assert found.expression == "RUN --x   echo  a"
    with pytest.raises(BadInstruction):
        parse_trigger(found.expression)


def test_targets():
    parsed = parse_dockerfile("FROM a AS One\nFROM b\nFROM c AS two\n")
    assert parsed.up_to("") == 2
    assert parsed.up_to("ONE") == 0
    assert parsed.up_to("1") == 1
    with pytest.raises(TargetNotFound, match="failed to reach build target x in Dockerfile"):
        parsed.up_to("x")


def test_only_needed_stages():
    parsed = parse_dockerfile(
        "FROM a AS base\nFROM x AS unused\nFROM base AS mid\nFROM y\nCOPY --from=2 /a /b\n"
    )
    bases = [stage.base.base for stage in parsed.stages]
    assert [stage.index for stage in parsed.needed(3, bases)] == [0, 2, 3]


def test_stage_name_hides_a_later_image_only():
    parsed = parse_dockerfile("FROM one AS x\nFROM two AS one\nFROM one\n")
    assert parsed.find_earlier("one", 0) is None
    assert parsed.find_earlier("one", 2).index == 1
