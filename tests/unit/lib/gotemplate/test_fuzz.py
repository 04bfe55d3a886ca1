"""Any text is a template, or an error of a template."""

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.lib.gotemplate.nodes import TemplateError
from sampan.lib.gotemplate.template import Template
from sampan.lib.gotemplate.values import GoStruct

DATA = GoStruct({"Name": "c1", "List": ["a", "b"], "Map": {"x": 1, "y": None}, "N": 12, "F": 1.5})
WORDS = st.sampled_from(
    [
        *(
            "{{",
            "}}",
            "{{-",
            "-}}",
            "{{/*",
            "*/}}",
            ".",
            ".Name",
            ".List",
            ".Map.x",
            ".No",
            "$",
            "$x",
        ),
        *(
            "range",
            "end",
            "if",
            "else",
            "with",
            "break",
            "continue",
            "define",
            "template",
            ":=",
            "=",
        ),
        *(",", "|", "(", ")", '"s"', '"%s %d %v"', "`r`", "'c'", "1", "-3", "1e9", "0x1f", "nil"),
        *("json", "index", "slice", "len", "printf", "print", "join", "split", "upper", "lower"),
        *(
            "eq",
            "lt",
            "and",
            "or",
            "not",
            "pad",
            "truncate",
            "title",
            "html",
            "js",
            "urlquery",
            "\n",
        ),
        *("true", '"', "\\", "é", "999999999999"),
    ]
)
TEXT = st.one_of(
    st.lists(WORDS, max_size=16).map(" ".join),
    st.lists(WORDS, max_size=10).map(lambda words: "{{" + " ".join(words) + "}}"),
    st.text(max_size=60),
)


@settings(max_examples=1500, deadline=None, database=None)
@given(TEXT)
def test_templates(text):
    with suppress(TemplateError):
        assert isinstance(Template(text).render(DATA), str)
