import pytest

from sampan.lib.gotemplate.nodes import TemplateError
from sampan.lib.gotemplate.template import Template
from sampan.lib.gotemplate.values import GoStruct, NilMap, Record

DATA = GoStruct(
    {
        "Name": "/c1",
        "State": GoStruct({"Status": "running", "Running": True}),
        "Config": GoStruct({"Env": ["a=1", "b=2"], "Labels": {"x.y": "z"}, "Cmd": ["sleep", "60"]}),
        "Networks": {"b": GoStruct({"IP": "1"}), "a": GoStruct({"IP": "2"})},
        "Size": 12,
        "None": None,
        "Volumes": NilMap(),
    }
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{.Name}}", "/c1"),
        ("{{ .State.Status }}", "running"),
        ("{{json .Config.Cmd}}", '["sleep","60"]'),
        ("{{.Config.Cmd}} {{.State}} {{.None}}", "[sleep 60] {running true} <nil>"),
        ('{{index .Config.Labels "x.y"}}', "z"),
        ('{{index .Config.Labels "no"}}|{{.Config.Labels.no}}', "|<no value>"),
        ("{{range $k, $v := .Networks}}{{$k}}={{$v.IP}} {{end}}", "a=2 b=1 "),
        ("{{range .Config.Env}}{{.}};{{else}}none{{end}}", "a=1;b=2;"),
        ("{{range .None}}x{{else}}none{{end}}", "none"),
        ('{{range .Config.Env}}{{if eq . "a=1"}}{{continue}}{{end}}{{.}}{{end}}', "b=2"),
        ("{{range .Config.Env}}{{.}}{{break}}{{end}}", "a=1"),
        ("{{with .State}}{{.Status}}{{end}}", "running"),
        ("{{with $x := .Name}}{{$x}}{{end}}", "/c1"),
        ("{{if .State.Running}}up{{else}}down{{end}}", "up"),
        ("{{if false}}a{{else if true}}b{{else}}c{{end}}", "b"),
        ("{{$n := .Size}}{{$n = 3}}{{$n}} {{$.Name}}", "3 /c1"),
        ("{{(index .Config.Env 0)}} {{(.State).Status}}", "a=1 running"),
        ('{{.Name | upper | printf "%s-%5s|%-5s|" "a" "b"}}', "a-    b|/C1  |"),
        (
            '{{printf "%d %q %v %t %x %05d %.2f %%" 3 .Name 1 true "ab" 42 1.5}}',
            '3 "/c1" 1 true 6162 00042 1.50 %',
        ),
        (
            '{{len .Name}} {{lower "AB"}} {{title "a b"}} {{join .Config.Cmd ","}}',
            "3 ab A B sleep,60",
        ),
        ('{{split "a,b" ","}} {{truncate "abcdef" 3}} {{pad "x" 1 2}}', "[a b] abc  x  "),
        (
            '{{and 1 0}} {{or 0 "a"}} {{not 1}} {{lt 1 2}} {{ne 1 2}} {{ge 2 2}}',
            "0 a false true true true",
        ),
        ('{{/* note */ -}}  x  {{- "y" -}}  z', "xyz"),
        ("{{`raw\\n`}} {{'a'}} {{\"\\t\"}}", "raw\\n 97 \t"),
        ("{{.Volumes}} {{json .Volumes}} {{len .Volumes}}", "map[] null 0"),
        ('{{slice .Name 1 3}} {{print 1 2 "x"}} {{println 1}}', "c1 1 2x 1\n"),
        ('{{html "<"}} {{urlquery "a b"}} {{js "\'"}}', "&lt; a+b \\'"),
        ("no action", "no action"),
    ],
)
def test_renders_as_go(text, expected):
    assert Template(text).render(DATA) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{.Name", "template: :1: unclosed action"),
        ("{{end}}", "template: :1: unexpected {{end}}"),
        ("{{if}}", "template: :1: missing value for if"),
        ("a\n{{if .Name}}", "template: :2: unexpected EOF"),
        ("{{nosuch .ID}}", 'template: :1: function "nosuch" not defined'),
        ('{{"x}}', "template: :1: unterminated quoted string"),
    ],
)
def test_parse_errors_are_gos(text, message):
    with pytest.raises(TemplateError) as caught:
        Template(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{{.NoSuch}}",
            'template: :1:2: executing "" at <.NoSuch>: map has no entry for key "NoSuch"',
        ),
        (
            "{{.State.NoSuch}}",
            'template: :1:8: executing "" at <.State.NoSuch>: map has no entry for key "NoSuch"',
        ),
        (
            "{{index .Config.Env 9}}",
            (
                'template: :1:2: executing "" at <index .Config.Env 9>: '
                "error calling index: index out of range: 9"
            ),
        ),
        (
            "{{.Name.X}}",
            'template: :1:7: executing "" at <.Name.X>: can\'t evaluate field X in type string',
        ),
        (
            '{{eq 1 "a"}}',
            (
                'template: :1:2: executing "" at <eq 1 "a">: error calling eq: '
                "incompatible types for comparison"
            ),
        ),
    ],
)
def test_execution_errors_are_gos(text, message):
    with pytest.raises(TemplateError) as caught:
        Template(text).render(DATA)
    assert str(caught.value) == message


def test_records_compute_fields_and_call_methods():
    columns = {"ID": ("ID", lambda item: item["id"]), "Label": ("", lambda item: item["l"].get)}
    record = Record("*formatter.X", columns, {"id": "1<", "l": {"a": "b"}})
    assert Template('{{.ID}} {{.Label "a"}} {{json .}}').render(record) == '1< b {"ID":"1\\u003c"}'
    with pytest.raises(TemplateError, match=r"can't evaluate field No in type \*formatter.X"):
        Template("{{.No}}").render(record)
