import pytest

from sampan.compose import dotenv

OUTSIDE = {"OUT": "outside", "BOTH": "outer"}


def read(text, form=""):
    found = {}
    dotenv.read(text, "f.env", found, OUTSIDE.get, form=form)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1", {"A": "1"}),
        ("A=1 # c\nB=x#y\n", {"A": "1", "B": "x#y"}),
        ("  A  =  spaced out  \n", {"A": "spaced out"}),
        ("export A=1\n", {"A": "1"}),
        ("A: yaml\n", {"A": "yaml"}),
        ("A='$B # x'\n", {"A": "$B # x"}),
        ('B=1\nA="<$B>\\n\\t\\"q\\" \\$B \\0101"\n', {"B": "1", "A": '<1>\n\t"q" $B A'}),
        ("A=\"one\ntwo\"\nB='three\nfour'\n", {"A": "one\ntwo", "B": "three\nfour"}),
        ("A=\nB=''\n", {"A": "", "B": ""}),
        ("OUT\nMISSING\n", {"OUT": "outside"}),
        ("BOTH=file\nA=${BOTH}\n", {"BOTH": "file", "A": "outer"}),
        ("A=${X:-d}${B:-}\n", {"A": "d"}),
        ("\ufeffA=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("# only\n\n  # comments\n", {}),
        ("a.b-c[0]=1\n", {"a.b-c[0]": "1"}),
        ("A='it\\'s'\n", {"A": "it's"}),
    ],
)
def test_grammar(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A=1\nB C=2\n", "failed to read f.env: line 2: key cannot contain a space"),
        ('A="open\n', 'failed to read f.env: line 1: unterminated quoted value "open'),
        ("A+B=1\n", 'line 1: unexpected character "+" in variable name "A+B=1"'),
        ("A=${B:?needed}\n", "required variable B is missing a value: needed"),
    ],
)
def test_faults_name_the_line(text, message):
    with pytest.raises(dotenv.BadEnvFile) as caught:
        read(text)
    assert message in caught.value.message


def test_raw_form_takes_everything_as_it_stands():
    text = '# c\nA="$B" # x\nOUT\n\n  C=1 \n'
    assert read(text, "raw") == {"A": '"$B" # x', "OUT": "outside", "C": "1 "}


def test_unknown_forms_are_refused():
    with pytest.raises(Exception, match='unsupported env_file format "toml"'):
        read("A=1", "toml")


def test_unset_variables_are_reported():
    names = []
    dotenv.read("A=$NOPE\n", "f", {}, unset=names.append)
    assert names == ["NOPE"]
