"""Any text is a Dockerfile, or is refused in our words; the same holds for ignore files."""

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.builder.dockerfile.expand import expand, expand_body, expand_words
from sampan.builder.dockerfile.ignore import IgnoreRules
from sampan.builder.dockerfile.stages import parse_changes, parse_dockerfile, parse_trigger
from sampan.errors import SampanError

WORDS = st.sampled_from(
    [
        *("FROM", "RUN", "COPY", "ADD", "ENV", "ARG", "LABEL", "HEALTHCHECK", "ONBUILD", "SHELL"),
        *("EXPOSE", "VOLUME", "USER", "WORKDIR", "CMD", "ENTRYPOINT", "STOPSIGNAL", "AS", "nope"),
        *("--from=", "--chown=a:b", "--interval=1s", "--retries=9", "<<EOF", "<<-'E'", "EOF", "E"),
        *('["a","b"]', '["', "[[[", "$", "${a:-b}", "${", "'", '"', "\\", "\\\n", "\n", "#", "a=b"),
        *(
            "# escape=`\n",
            "`\n",
            "80/tcp",
            "99999",
            "\0",
            "é",
            "\ufeff",
            "\r\n",
            "NONE",
            "https://x",
        ),
    ]
)
TEXT = st.one_of(
    st.lists(WORDS, max_size=25).map(" ".join),
    st.lists(WORDS, max_size=25).map(lambda words: "FROM scratch\n" + "\n".join(words)),
    st.text(max_size=200),
)
FEW = settings(max_examples=200, deadline=None, database=None)


@FEW
@given(TEXT)
def test_dockerfiles(text):
    for parse in (parse_dockerfile, parse_trigger, lambda one: parse_changes([one])):
        with suppress(SampanError):
            parse(text)


def test_bottomless_json_is_no_list():
    assert parse_dockerfile("FROM scratch\nCMD " + "[" * 60_000).stages


@FEW
@given(TEXT, st.sampled_from(["\\", "`"]))
def test_expansion(text, escape):
    for call in (expand, expand_words, expand_body):
        with suppress(SampanError):
            call(text, {"a": "1", "b": "x y"}, escape)


@FEW
@given(st.text("ab*?[]^!-\\/.# \n", max_size=60), st.text("ab/.\n]", max_size=20))
def test_ignore_rules(text, path):
    with suppress(SampanError):
        assert IgnoreRules(text).excluded(path) in {True, False}
