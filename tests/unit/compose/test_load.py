"""Loading from files: what can go wrong names file, line and key; what is right becomes records."""

import pytest

from sampan.compose.attributes import Deploy, Healthcheck, Hook, StartHook
from sampan.compose.failures import ComposeError
from sampan.compose.files import NoComposeFile
from sampan.compose.load import LoadOptions, load_project
from sampan.compose.model import FileObject, Model, Network, Service, Volume
from sampan.compose.schema import COMPOSE, load_schema
from sampan.compose.selection import NoSuchService
from sampan.errors import InvalidArgument, Unsupported


@pytest.fixture
def load(tmp_path):
    folder = tmp_path / "proj"
    folder.mkdir()

    def run(text="", *, files=None, **options):
        for name, content in {"compose.yaml": text, **(files or {})}.items():
            if content is not None:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(content)
        return load_project(LoadOptions(working_directory=folder, **options))

    run.folder = folder
    return run


FAULTS = {
    "unknown key": (
        "services:\n  web:\n    image: a\n    prots: []\n",
        2,
        "services.web additional properties 'prots' not allowed",
    ),
    "wrong type": (
        "services:\n  web:\n    image: a\n    ports: 80\n",
        4,
        "services.web.ports must be a array",
    ),
    "deep": (
        "services:\n  web:\n    image: a\n    deploy:\n      replicas: [1]\n",
        5,
        "services.web.deploy.replicas must be a integer or string",
    ),
    "port": (
        "services:\n  web:\n    image: a\n    ports:\n      - '80'\n      - 'abc:80'\n",
        6,
        "invalid hostPort: abc",
    ),
    "volume": (
        "services:\n  web:\n    image: a\n    volumes: [data:/d]\n",
        4,
        'service "web" refers to undefined volume data: invalid compose project',
    ),
    "cycle": (
        "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [a]}\n",
        3,
        "dependency cycle detected: a -> b -> a",
    ),
    "variable": (
        "services:\n  web:\n    image: ${IMAGE:?which image}\n",
        3,
        (
            "error while interpolating services.web.image: required variable IMAGE is "
            "missing a value: which image"
        ),
    ),
    "braces": (
        "services:\n  web:\n    image: ${IMAGE\n",
        3,
        "invalid interpolation format for services.web.image.",
    ),
    "duration": (
        "services:\n  web:\n    image: a\n    stop_grace_period: 5 parsecs\n",
        4,
        'services.web.stop_grace_period: time: invalid duration "5 parsecs"',
    ),
    "indentation": (
        "version: '2'\nservices:\n  web:\n    build: .\n     ports:\n      - '5000:5000'\n",
        5,
        "yaml: line 5, column 11: mapping values are not allowed in this context",
    ),
    "extends": (
        "services:\n  web:\n    extends: {file: no.yaml, service: x}\n",
        3,
        "/no.yaml: no such file or directory",
    ),
    "include": (
        "include:\n  - no.yaml\n",
        2,
        "/no.yaml: no such file or directory",
    ),
    "env file": (
        "services:\n  web:\n    image: a\n    env_file: no.env\n",
        4,
        "/no.env: no such file or directory",
    ),
    "neither image nor build": (
        "services:\n  web:\n    command: x\n",
        2,
        (
            'service "web" has neither an image nor a build context specified: invalid '
            "compose project"
        ),
    ),
    "secret": (
        "secrets:\n  s: {}\n",
        2,
        "secrets.s: one of file|environment must be set",
    ),
    "scale": (
        "services:\n  web: {image: a, container_name: xx, scale: 2}\n",
        2,
        "container name must be unique: invalid compose project",
    ),
    "limits": (
        (
            "services:\n  web:\n    cpus: 1\n    image: a\n    deploy: {resources: "
            "{limits: {cpus: 2}}}\n"
        ),
        3,
        "can't set distinct values on 'cpus' and 'deploy.resources.limits.cpus'",
    ),
    "target twice": (
        "services:\n  web:\n    image: a\n    tmpfs: /x\n    volumes: [/x, ./y:/y]\n",
        5,
        "services.web.volumes[0]: target /x already mounted as services.web.tmpfs[0]",
    ),
}


@pytest.mark.parametrize(("text", "line", "message"), FAULTS.values(), ids=FAULTS)
def test_faults_say_where_they_are(load, text, line, message):
    with pytest.raises(ComposeError) as caught:
        load(text)
    assert message in caught.value.message
    assert (caught.value.file, caught.value.line) == (str(load.folder / "compose.yaml"), line)
    assert f"line {line}" in caught.value.message
    assert str(load.folder) in caught.value.message


def test_a_fault_of_the_second_file_names_the_second_file(load):
    files = {"compose.override.yaml": "services:\n\n  web: {ports: 80}\n"}
    with pytest.raises(ComposeError) as caught:
        load("services: {web: {image: a, ports: ['80']}}\n", files=files)
    assert caught.value.file.endswith("compose.override.yaml")


def test_circular_extends_are_told_step_by_step(load):
    with pytest.raises(ComposeError) as caught:
        load("services:\n  a: {extends: b}\n  b: {extends: a}\n")
    file = load.folder / "compose.yaml"
    assert f"Circular reference:\n  a in {file}\n  extends b in {file}\n" in caught.value.message


def test_circular_includes_are_refused(load):
    files = {"other.yaml": "include: [compose.yaml]\nservices: {x: {image: a}}\n"}
    with pytest.raises(ComposeError, match="include cycle detected"):
        load("include: [other.yaml]\nservices: {web: {image: a}}\n", files=files)


def test_conflicting_includes_are_refused(load):
    files = {"other.yaml": "services: {web: {image: b}}\n"}
    with pytest.raises(ComposeError, match=r"services\.web conflicts with imported resource"):
        load("include: [other.yaml]\nservices: {web: {image: a}}\n", files=files)


def test_remote_files_are_refused(load):
    with pytest.raises(Unsupported, match="local files only"):
        load("include: ['https://example.com/x.git']\nservices: {}\n")


def test_no_file_anywhere(load):
    with pytest.raises(NoComposeFile, match="no configuration file provided: not found"):
        load(files={"compose.yaml": None})


def test_project_names_are_checked_or_made(load):
    text = "services: {web: {image: a}}\n"
    assert load(text).name == "proj"
    assert load(f"name: My Project-1\n{text}").name == "myproject-1"
    with pytest.raises(InvalidArgument, match='invalid project name "No"'):
        load(text, project_name="No")


def test_variables_that_are_not_set_are_warned_of_once(load):
    project = load("services: {web: {image: 'a$X', command: '$X', hostname: '$Y'}}\n")
    assert project.warnings == tuple(
        f'The "{name}" variable is not set. Defaulting to a blank string.' for name in "XY"
    )


def test_a_fault_behind_an_unset_variable_hints_at_it(load):
    with pytest.raises(ComposeError) as caught:
        load("services: {web: {image: a, tty: $NOPE}}\n")
    assert caught.value.hint.startswith('The "NOPE" variable is not set.')


def test_the_obsolete_version_is_warned_of(load):
    assert "the attribute `version` is obsolete" in load("version: '3'\nservices: {}\n").warnings[0]


def test_profiles_and_named_services_choose(load):
    text = """
services:
  web: {image: a, depends_on: [db]}
  db: {image: b, volumes: [data:/d]}
  tool: {image: c, profiles: [tools], volumes: [more:/m]}
volumes: {data: , more: }
"""
    assert sorted(load(text).services) == ["db", "web"]
    assert sorted(load(text).disabled_services) == ["tool"]
    assert sorted(load(text, profiles=["tools"]).services) == ["db", "tool", "web"]
    assert sorted(load(text, profiles=["*"]).services) == ["db", "tool", "web"]
    chosen = load(text, services=["tool"])
    assert (sorted(chosen.services), sorted(chosen.volumes)) == (["tool"], ["more"])
    assert sorted(load(text, services=["web"]).services) == ["db", "web"]
    alone = load(text, services=["web"], dependencies=False)
    assert (sorted(alone.services), alone.services["web"].depends_on) == (["web"], {})
    assert sorted(load(text, all_resources=True).volumes) == ["data", "more"]
    with pytest.raises(NoSuchService, match="no such service: nobody"):
        load(text, services=["nobody"])


def test_secrets_and_configs_carry_the_content_of_variables(load):
    text = """
services: {web: {image: a, secrets: [s], configs: [c]}}
secrets: {s: {environment: S}}
configs: {c: {environment: C}}
"""
    project = load(text, environment={"S": "hidden", "C": "open"})
    assert project.secrets["s"].content == "hidden"
    assert project.configs["c"].content == "open"


def test_records_are_typed(load):
    project = load(
        "services: {web: {image: a, mem_limit: 1g, stop_grace_period: 1m, cpus: '0.5',"
        " command: run 'a b', scale: '2', tty: 'true'}}\n"
    )
    web = project.services["web"]
    assert (web.mem_limit, web.stop_grace_period, web.cpus) == (2**30, 60 * 10**9, 0.5)
    assert (web.command, web.entrypoint, web.replicas, web.tty) == (("run", "a b"), None, 2, True)


def test_standard_input_is_a_file(load):
    text = "services: {web: {image: a}}\n"
    options = LoadOptions(files=["-"], stdin=text, working_directory=load.folder)
    project = load_project(options)
    assert (project.files, project.working_dir) == (("-",), load.folder)


def test_keys_newer_than_docker_compose_2_40_are_known(load):
    project = load("""
services:
  web:
    build: {context: ., no_cache_filter: [final]}
    pull_policy: refresh
    pull_refresh_after: 1d
    pre_start: [{command: prepare it, image: tool, per_replica: true}]
""")
    web = project.services["web"]
    assert (web.build.no_cache_filter, web.pull_refresh_after) == (("final",), "1d")
    hook = web.pre_start[0]
    assert (hook.command, hook.image, hook.per_replica) == (("prepare", "it"), "tool", True)


def keys_of(schema, rule):
    """The properties that a schema's rule allows, through references and alternatives."""
    while "$ref" in rule:
        rule = schema["$defs"][rule["$ref"].rpartition("/")[2]]
    found = set(rule.get("properties", {}))
    for branch in (*rule.get("oneOf", ()), *rule.get("anyOf", ())):
        found |= keys_of(schema, branch)
    return found


@pytest.mark.parametrize(
    ("rule", "record"),
    [
        ("service", Service),
        ("network", Network),
        ("volume", Volume),
        ("secret", FileObject),
        ("config", FileObject),
        ("model", Model),
        ("deployment", Deploy),
        ("healthcheck", Healthcheck),
        ("service_hook", Hook),
        ("pre_start_hook", StartHook),
    ],
)
def test_records_have_every_key_of_the_schema(rule, record):
    schema = load_schema(COMPOSE)
    fields = set(record.__fields__)
    missing = keys_of(schema, schema["$defs"][rule]) - fields
    assert missing <= ({"extends"} if record is Service else set())
