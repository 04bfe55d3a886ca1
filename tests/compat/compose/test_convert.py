"""`sampan convert` over the corpus and the examples, against the official schemas.

Kubernetes: the API's own JSON schemas, strict (an unknown field is an error), and rules of the
API that no schema has: names, references, unique ports. ECS: the service's own model as boto3
carries it. The full stack is compared with a golden file, which
`SAMPAN_GOLDEN=1 pytest tests/compat/compose/test_convert.py` writes anew.
"""

import functools
import json
import os
import re
import tomllib
from pathlib import Path

import botocore.session
import kubernetes_validate
import pytest
import yaml
from botocore.validate import ParamValidator

from integration.harness import ROOT
from sampan.cli.main import main

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"
EXAMPLES = sorted(
    {path.parent for path in (ROOT / "examples").rglob("*compose.y*ml")}, key=lambda path: path.name
)
CASES = [*sorted(path for path in (HERE / "corpus").iterdir() if path.is_dir()), *EXAMPLES]
FLAGS = {
    "files": "--file",
    "env_files": "--env-file",
    "profiles": "--profile",
    "project_directory": "--project-directory",
    "project_name": "--project-name",
}
LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
KINDS = {"Deployment", "DaemonSet", "Job"}


class Loader(yaml.SafeLoader):
    """Takes `=` and `<<` as values for text, as Go's readers do."""


for tag in ("value", "merge"):
    Loader.add_constructor(f"tag:yaml.org,2002:{tag}", yaml.SafeLoader.construct_yaml_str)


def convert(path, words, capsys, monkeypatch):
    file = path / "case.toml"
    case = tomllib.loads(file.read_text()) if file.exists() else {}
    folder = path / case.get("working_directory", ".")
    environment = {"PATH": os.environ["PATH"], "HOME": "/home/somebody", "PWD": str(folder)}
    arguments = []
    for key, flag in FLAGS.items():
        values = case.get(key, [])
        for value in [values] if isinstance(values, str) else values:
            arguments += [flag, value]
    monkeypatch.chdir(folder)
    words = ["convert", *words, *arguments, *case.get("services", [])]
    status = main(words, environment | case.get("environment", {}))
    out, errors = capsys.readouterr()
    return status, out, errors


@functools.cache
def latest():
    return kubernetes_validate.latest_version()


@functools.cache
def task_shape():
    model = botocore.session.get_session().get_service_model("ecs")
    return model.operation_model("RegisterTaskDefinition").input_shape


def check_rules(manifests):
    """What the API server checks beyond the schemas."""
    there = {(each["kind"], each["metadata"]["name"]) for each in manifests}
    assert len(there) == len(manifests)
    for each in manifests:
        assert LABEL.fullmatch(each["metadata"]["name"])
        if each["kind"] == "Service":
            ports = each["spec"].get("ports", [])
            assert len({(p["port"], p["protocol"]) for p in ports}) == len(ports)
            assert all(len(p["name"]) <= 15 for p in ports)
        if each["kind"] in KINDS:
            check_pod(each, there)


def check_pod(workload, there):
    template = workload["spec"]["template"]
    if workload["kind"] != "Job":
        wanted = workload["spec"]["selector"]["matchLabels"].items()
        assert wanted <= template["metadata"]["labels"].items()
    pod = template["spec"]
    (container,) = pod["containers"]
    volumes = [each["name"] for each in pod.get("volumes", [])]
    assert len(set(volumes)) == len(volumes)
    mounts = container.get("volumeMounts", [])
    assert {each["name"] for each in mounts} == set(volumes)
    assert len({each["mountPath"] for each in mounts}) == len(mounts)
    assert all(re.fullmatch("/[^:]*", each["mountPath"]) for each in mounts)
    for source in container.get("envFrom", []):
        assert ("ConfigMap", source["configMapRef"]["name"]) in there
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        for name, value in container.get(probe, {}).items():
            assert name == "exec" or value >= 1


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name)
def test_kubernetes_manifests_are_valid(path, capsys, monkeypatch):
    status, out, errors = convert(path, ["--to", "kubernetes"], capsys, monkeypatch)
    assert status == 0, errors
    manifests = list(yaml.load_all(out, Loader))
    assert KINDS & {each["kind"] for each in manifests} or "provider" in errors
    for each in manifests:
        kubernetes_validate.validate(each, latest(), strict=True)
    check_rules(manifests)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name)
def test_ecs_task_definitions_are_valid(path, capsys, monkeypatch):
    status, out, errors = convert(path, ["--to", "ecs"], capsys, monkeypatch)
    assert status == 0, errors
    task = json.loads(out)
    report = ParamValidator().validate(task, task_shape())
    assert not report.has_errors(), report.generate_report()
    names = [each["name"] for each in task["containerDefinitions"]]
    assert len(set(names)) == len(names)
    volumes = {each["name"] for each in task.get("volumes", [])}
    for each in task["containerDefinitions"]:
        assert {point["sourceVolume"] for point in each.get("mountPoints", [])} <= volumes
        assert {one["containerName"] for one in each.get("dependsOn", [])} <= set(names)
        assert {link.partition(":")[0] for link in each.get("links", [])} <= set(names)


def _as_name(path: str) -> str:
    """A path as the names of volumes have it."""
    return re.sub(r"[^-._a-zA-Z0-9]+", "-", path)


@pytest.mark.parametrize("target", ["kubernetes", "ecs"])
def test_the_full_stack_is_as_it_was(target, capsys, monkeypatch):
    words = ["--to", target, "--report", "json"]
    _, out, errors = convert(HERE / "corpus/61-full-stack", words, capsys, monkeypatch)
    report = json.dumps(json.loads(errors), indent=2) + "\n"
    here = str(HERE / "corpus/61-full-stack")
    suffix = "yaml" if target == "kubernetes" else "json"
    for name, text in ((f"{target}.{suffix}", out), (f"{target}-report.json", report)):
        text = text.replace(here, "/project").replace(_as_name(here), "-project")
        if os.environ.get("SAMPAN_GOLDEN"):
            GOLDEN.mkdir(exist_ok=True)
            (GOLDEN / name).write_text(text)
        assert text == (GOLDEN / name).read_text()


def test_strict_tells_by_its_status(capsys, monkeypatch):
    minimal, stack = HERE / "corpus/01-minimal", HERE / "corpus/61-full-stack"
    strict = ["--to", "kubernetes", "--strict"]
    assert convert(minimal, strict, capsys, monkeypatch)[0] == 0
    status, out, errors = convert(stack, strict, capsys, monkeypatch)
    assert status == 3
    assert "dropped: proxy: depends_on.api: " in errors
    assert "# dropped: proxy: depends_on.api: " in out
    assert out.count("apiVersion: ") > 5  # written all the same


def test_files_go_into_a_directory(capsys, monkeypatch, tmp_path):
    place = tmp_path / "new" / "place"
    words = ["--to", "kubernetes", "-o", str(place), "-p", "other"]
    status, out, _ = convert(HERE / "corpus/02-wordpress", words, capsys, monkeypatch)
    assert status == 0
    files = sorted(place.iterdir())
    assert sorted(out.splitlines()) == [str(file) for file in files]
    for file in files:
        manifest = yaml.safe_load(file.read_text())
        assert manifest["metadata"]["labels"]["app.kubernetes.io/part-of"] == "other"
        kubernetes_validate.validate(manifest, latest(), strict=True)


def test_secrets_are_for_their_owner_only(capsys, monkeypatch, tmp_path):
    stack = HERE / "corpus/61-full-stack"
    convert(stack, ["--to", "kubernetes", "-o", str(tmp_path / "k")], capsys, monkeypatch)
    assert (tmp_path / "k/jwt-secret.yaml").stat().st_mode & 0o777 == 0o600


def test_wrong_words_are_refused(capsys, monkeypatch):
    minimal = HERE / "corpus/01-minimal"
    status, _, errors = convert(minimal, ["--to", "nomad"], capsys, monkeypatch)
    assert status == 125
    assert "kubernetes, ecs" in errors
    status, _, errors = convert(minimal, [], capsys, monkeypatch)
    assert status == 1
    assert "--to" in errors
