"""The rules of the text, one by one: what a Dockerfile's lines become."""

import pytest

from sampan.builder.dockerfile.ignore import IgnoreRules
from sampan.builder.dockerfile.source import BadInstruction, DockerfileSyntax
from sampan.builder.dockerfile.stages import parse_dockerfile
from sampan.errors import InvalidArgument


def texts(text):
    return [one.text for one in parse_dockerfile(text).stages[-1].instructions]


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        ("byte order mark", "\ufeffFROM b\nRUN x\n", ["RUN x"]),
        ("CRLF", "FROM b\r\nRUN x\r\n", ["RUN x"]),
        ("comment lines", "# c\n\nFROM b\n  # c\nRUN x # not one\n", ["RUN x # not one"]),
        ("comment within", "FROM b\nRUN a \\\n# c\n  # c\nb\n", ["RUN a b"]),
        ("blanks after the escape", "FROM b\nRUN a \\ \t\n b\n", ["RUN a  b"]),
        ("no blank is put in", "FROM b\nRUN a\\\nb\n", ["RUN ab"]),
        ("doubled escape", "FROM b\nRUN a \\\\\nRUN b\n", ["RUN a \\\\", "RUN b"]),
        ("empty line within", "FROM b\nRUN a \\\n\n\nb\n", ["RUN a b"]),
        ("leading blanks", "FROM b\n \t RUN x\n", ["RUN x"]),
        ("lower case", "from b\nrun x\n", ["run x"]),
        ("no line end at the end", "FROM b\nRUN x", ["RUN x"]),
        ("continuation at the end", "FROM b\nRUN x \\", ["RUN x"]),
        ("escape directive", "# escape=`\nFROM b\nRUN a\\\nRUN b `\nc\n", ["RUN a\\", "RUN b c"]),
        ("directive keys", "# EsCaPe = `\nFROM b\nRUN a `\nb\n", ["RUN a b"]),
        ("late directive", "# c\n# escape=`\nFROM b\nRUN a \\\nb\n", ["RUN a b"]),
        ("unknown directive ends them", "# x=y\n# escape=`\nFROM b\nRUN a \\\nb\n", ["RUN a b"]),
        ("after an empty line", "\n# escape=`\nFROM b\nRUN a \\\nb\n", ["RUN a b"]),
    ],
)
def test_lines(rule, text, expected):
    assert texts(text) == expected, rule


def test_directives_are_kept():
    file = parse_dockerfile(
        "# syntax = docker/dockerfile:1\n# check=skip=all\n#escape=\\\nFROM b\n"
    )
    assert file.directives == {
        "syntax": "docker/dockerfile:1",
        "check": "skip=all",
        "escape": "\\",
    }


@pytest.mark.parametrize(
    ("line", "words", "is_json"),
    [
        ('RUN ["a","b"]', ("a", "b"), True),
        ('CMD [ "a" , "b" ]', ("a", "b"), True),
        ("CMD ['a']", ("['a']",), False),
        ('ENTRYPOINT ["a", b]', ('["a", b]',), False),
        ("CMD []", (), True),
        ('RUN ["a\\u0041"]', ("aA",), True),
    ],
)
def test_json_or_shell(line, words, is_json):
    [found] = parse_dockerfile(f"FROM b\n{line}\n").stages[0].instructions
    assert (found.command.words, not found.command.shell_form) == (words, is_json)


@pytest.mark.parametrize(
    ("line", "sources", "destination"),
    [
        ('COPY ["a b", "c"]', ("a b",), "c"),
        ("COPY ['a', 'b']", ("['a',",), "'b']"),
        ("COPY -- --x y", ("--x",), "y"),
        ("ADD a b c/", ("a", "b"), "c/"),
    ],
)
def test_sources(line, sources, destination):
    [found] = parse_dockerfile(f"FROM b\n{line}\n").stages[0].instructions
    assert (found.sources, found.destination) == (sources, destination)


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        ("RUN <<E\na\nE", [("E", "a\n", True)]),
        ("RUN <<-E\n\ta\n\tE", [("E", "a\n", True)]),
        ("RUN <<'E'\n$a\nE", [("E", "$a\n", False)]),
        ('RUN <<"E"\n$a\nE', [("E", "$a\n", False)]),
        ("RUN cat 3<<E\na\nE", [("E", "a\n", True)]),
        ("COPY <<A <<B /x/\na\nA\nb\nB", [("A", "a\n", True), ("B", "b\n", True)]),
        ("ADD <<A /x\nA", [("A", "", True)]),
        ("RUN <<E\n# kept\n\n  E\nE", [("E", "# kept\n\n  E\n", True)]),
        ("RUN echo <<<E", []),
        ("RUN echo 1 << 2", []),
    ],
)
def test_here_documents(text, documents):
    [found] = parse_dockerfile(f"FROM b\n{text}\n").stages[0].instructions
    assert [(one.name, one.body, one.expand) for one in found.heredocs] == documents


@pytest.mark.parametrize(
    ("text", "error", "line"),
    [
        ("", DockerfileSyntax, None),
        ("\n# c\n", DockerfileSyntax, None),
        ("FROM b\nCMD <<E\na\nE\n", BadInstruction, 3),
        ("FROM b\nRUN <<E\na\n E\n", DockerfileSyntax, 2),
        ("FROM b\n\nNOSUCH\n", BadInstruction, 3),
        ("FROM b\nRUN a \\\nb\nCOPY x\n", BadInstruction, 4),
        ("FROM b\nSHELL sh -c\n", BadInstruction, 2),
        ('FROM b\nCMD ["a", 1]\n', DockerfileSyntax, 2),
        ("FROM b\nRUN --nosuch x\n", BadInstruction, 2),
        ("FROM b\nENV =x\n", BadInstruction, 2),
        ("FROM b\nONBUILD MAINTAINER x\n", BadInstruction, 2),
        ("FROM b\nHEALTHCHECK --retries=-1 CMD x\n", BadInstruction, 2),
        ("FROM b AS 0x\n", BadInstruction, 1),
        ("FROM b AS a/b\n", BadInstruction, 1),
        ("RUN x\nFROM b\n", InvalidArgument, None),
        ("FROM b\nRUN --mount=target=/x,sharing true\n", BadInstruction, 2),
        ("FROM b\nRUN --mount=from=$x,target=/y true\n", BadInstruction, 2),
    ],
)
def test_errors_say_where(text, error, line):
    with pytest.raises(error) as caught:
        parse_dockerfile(text)
    where = getattr(caught.value, "where", None)
    assert (where.first_line if where else None) == line


def test_stages_by_name_number_and_reach():
    file = parse_dockerfile(
        "FROM a\nFROM b AS Two\nRUN --mount=from=0,target=/x true\nFROM c\nCOPY --from=two a b\n"
        "FROM d\n"
    )
    bases = ["a", "b", "c", "d"]
    assert [one.index for one in file.needed(2, bases)] == [0, 1, 2]
    assert [one.index for one in file.needed(3, bases)] == [3]
    assert (file.up_to("TWO"), file.up_to("2"), file.up_to("")) == (1, 2, 3)


@pytest.mark.parametrize(
    ("patterns", "path", "excluded"),
    [
        (["*.md"], "a.md", True),
        (["*.md"], "d/a.md", False),
        (["**/*.md", "!**/keep.md"], "d/keep.md", False),
        (["d"], "d/x/y", True),
        (["#x"], "#x", True),
    ],
)
def test_patterns_of_exclude(patterns, path, excluded):
    assert IgnoreRules(patterns=patterns).excluded(path) is excluded
