import pytest

from sampan.compose.template import BadTemplate, VariableMissing, references, substitute

VALUES = {"SET": "value", "EMPTY": "", "A1": "x"}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$SET", "value"),
        ("${SET}", "value"),
        ("a$SET.b", "avalue.b"),
        ("$UNSET|${UNSET}", "|"),
        ("$$SET $$", "$SET $"),
        ("${UNSET:-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${UNSET-d}", "d"),
        ("${SET:-d}", "value"),
        ("${SET:+r}", "r"),
        ("${EMPTY:+r}", ""),
        ("${EMPTY+r}", "r"),
        ("${UNSET+r}", ""),
        ("${SET:?why}", "value"),
        ("${EMPTY?why}", ""),
        ("${UNSET:-${EMPTY:-${SET}}}", "value"),
        ("${UNSET:-a:-b}", "a:-b"),
        ("${UNSET:-}", ""),
        ("${UNSET:-{}}", "{}"),
        ("cost 5$ or $5", "cost 5$ or $5"),
        ("${SET}${A1}", "valuex"),
        ("${UNSET:-$SET}-", "value-"),
    ],
)
def test_every_form(text, result):
    assert substitute(text, VALUES.get) == result


def test_unset_names_without_default_are_reported():
    names = []
    substitute("$A ${B} ${C:-x} $SET ${D:-$E}", VALUES.get, names.append)
    assert names == ["A", "B", "E"]


@pytest.mark.parametrize("text", ["${", "${}", "${A", "${A:}", "${A!b}", "${1}", "x${A b}"])
def test_unfinished_references_are_refused(text):
    with pytest.raises(BadTemplate):
        substitute(text, VALUES.get)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${UNSET:?say $SET}", "required variable UNSET is missing a value: say value"),
        ("${EMPTY:?}", "required variable EMPTY is missing a value"),
        ("${UNSET?gone}", "required variable UNSET is missing a value: gone"),
    ],
)
def test_required_variables_say_why(text, message):
    with pytest.raises(VariableMissing) as caught:
        substitute(text, VALUES.get)
    assert caught.value.message == message


def test_references_reach_into_defaults():
    found = [(each.name, each.operator) for each in references("$A ${B:-${C:?x}} $$D ${E")]
    assert found == []
    found = [(each.name, each.operator) for each in references("$A ${B:-${C:?x}} $$D")]
    assert found == [("A", ""), ("B", ":-"), ("C", ":?")]


def test_depth_is_bounded():
    with pytest.raises(BadTemplate):
        substitute("${A:-" * 60 + "}" * 60, VALUES.get)
