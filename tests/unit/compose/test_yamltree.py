import pytest

from sampan.compose.failures import BadSyntax
from sampan.compose.yamltree import plain_scalar, read_documents


def read(text):
    return next(iter(read_documents(text, "f.yaml")))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("NO", "NO"),
        ("True", True),
        ("false", False),
        ("~", None),
        ("Null", None),
        ("22:22", "22:22"),
        ("1:30:00", "1:30:00"),
        ("0755", 493),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b101", 5),
        ("1_000", 1000),
        ("-5", -5),
        ("08", 8.0),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.10.2", "1.10.2"),
        ("2024-01-02", "2024-01-02"),
        ("-", "-"),
    ],
)
def test_unquoted_scalars_mean_what_yaml_1_2_says(text, value):
    found = plain_scalar(text)
    assert (found, type(found)) == (value, type(value))


def test_quoted_scalars_are_text():
    assert read("a: '1'\nb: \"true\"\nc: !!str 5\n").tree == {"a": "1", "b": "true", "c": "5"}


def test_explicit_keys_win_over_merged_ones_and_earlier_sources_over_later():
    document = read("x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {<<: [*x, *y], a: 0}\n")
    assert document.tree["z"] == {"a": 0, "b": 1, "c": 2}


def test_lines_are_known_for_keys_and_entries():
    document = read("services:\n  web:\n    ports:\n      - 80\n      - 81\n")
    assert document.line_of(("services", "web", "ports", "1")) == 5
    assert document.line_of(("services", "web", "ports", "1", "target")) == 5
    assert document.line_of(("volumes",)) == 0


def test_reset_takes_away_and_override_stays_and_both_are_reported():
    document = read("a: {b: !reset null, c: !override [1]}\n")
    assert document.tree == {"a": {"c": [1]}}
    assert document.resets == [("a", "b"), ("a", "c")]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 'mapping key "a" already defined at line 1'),
        ("a:\n\tb: 1\n", 2, "cannot start any token"),
        ("version: '2'\nservices:\nweb:\n  build: .\n   ports:\n", 5, "mapping values are not"),
        ("a: {1: b}\n", 1, "non-string key in a: 1"),
        ("a: *nobody\n", 1, "undefined alias"),
        ("a: &a {b: *a}\n", 1, "contains itself"),
        ("a: {<<: 5}\n", 1, "map merge requires map"),
        ("a: !!int x\n", 1, "cannot decode `x` as a !!int"),
    ],
)
def test_faults_name_file_and_line(text, line, problem):
    with pytest.raises(BadSyntax) as caught:
        read(text)
    assert (caught.value.file, caught.value.line) == ("f.yaml", line)
    assert problem in caught.value.message


def test_aliases_cannot_blow_a_document_up():
    levels = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(BadSyntax, match="excessive aliasing"):
        read("\n".join(["l0: &l0 [x]", *levels]))


def test_several_documents_come_one_by_one():
    assert [each.tree for each in read_documents("a: 1\n---\nb: 2\n", "f")] == [{"a": 1}, {"b": 2}]
