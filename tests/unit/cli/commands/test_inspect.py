import pytest

CONTAINER = {
    "Id": "a" * 64,
    "Name": "/c1",
    "State": {"Status": "running"},
    "Config": {"Entrypoint": None, "Labels": {}, "Cmd": ["x"]},
    "HostConfig": {"NanoCpus": 5, "LogConfig": {"Type": "json-file", "Config": {"a": "b"}}},
    "Healthcheck": {"Retries": 2, "Test": ["CMD", "x"]},
    "ExecIDs": None,
    "Empty": [],
}


@pytest.fixture
def known(engine):
    engine.on("GET", "/containers/c1/json", CONTAINER)
    engine.on("GET", "/volumes/v", {"Name": "v", "Labels": None})
    return engine


def test_prints_the_engines_json_indented(sampan, known):
    out = sampan("inspect", "c1").out
    assert out.startswith('[\n    {\n        "Id": "aaa')
    assert '        "Empty": []\n    }\n]\n' in out


def test_looks_for_every_kind(sampan, known):
    assert sampan("inspect", "-f", "{{.Name}}", "v").out == "v\n"


def test_what_is_not_there_leaves_an_empty_list(sampan, known):
    outcome = sampan("inspect", "nope")
    assert (outcome.status, outcome.out) == (1, "[]\n")
    assert outcome.err == "Error: No such object: nope\n"


def test_what_is_there_is_printed_all_the_same(sampan, known):
    outcome = sampan("inspect", "-f", "{{.Name}}", "c1", "nope")
    assert (outcome.status, outcome.out) == (1, "/c1\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{.Config.Entrypoint}} {{json .ExecIDs}}", "[] null"),
        ("{{.State.Health}} {{.SizeRw}}", "<nil> <nil>"),
        ("{{if .State.Health}}yes{{else}}no{{end}}", "no"),
        ("{{.ID}} {{.HostConfig.NanoCPUs}}", "a" * 64 + " 5"),
        ("{{.HostConfig.LogConfig}}", "{json-file map[a:b]}"),
        ("{{.Config.Labels.nope}}", "<no value>"),
        ("{{json .Healthcheck}}", '{"Test":["CMD","x"],"Retries":2}'),
        ("{{json .Config}}", '{"Entrypoint":null,"Labels":{},"Cmd":["x"]}'),
    ],
)
def test_templates_see_gos_types(sampan, known, text, expected):
    assert sampan("inspect", "-f", text, "c1").out == expected + "\n"


def test_template_errors(sampan, known):
    outcome = sampan("inspect", "-f", "{{.NoSuch}}", "c1")
    assert outcome.status == 1
    assert "template parsing error: template: :1:2: executing" in outcome.err
    assert sampan("inspect", "-f", "{{", "c1").status == 64
