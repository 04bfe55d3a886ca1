"""Compose keys as Kubernetes says them, and what the report says of the rest."""

import base64

import pytest

from sampan.compose.convert.kubernetes import HANDLED, REASONS, kubernetes
from sampan.compose.convert.loading import load
from sampan.compose.convert.names import Names, dns_label, literal
from sampan.compose.load import LoadOptions
from sampan.compose.model import Service


@pytest.fixture
def convert(tmp_path):
    def run(text, environment=None, **options):
        (tmp_path / "compose.yaml").write_text(text)
        settings = LoadOptions(
            working_directory=tmp_path, environment=environment or {}, project_name="shop"
        )
        manifests, report = kubernetes(load(settings), **options)
        return {(each["kind"], each["metadata"]["name"]): each for each in manifests}, report

    return run


def one(convert, keys, **options):
    """A service `web` with these keys: its pod, its container, the report."""
    found, report = convert(f"services: {{web: {{image: a, {keys}}}}}", **options)
    workload = next(each for (kind, _), each in found.items() if kind in {"Deployment", "Job"})
    pod = workload["spec"]["template"]["spec"]
    return pod, pod["containers"][0], report


def keys_of(report, kind="dropped"):
    return {(each.service, each.key) for each in report.entries if each.kind == kind}


def test_every_handled_and_explained_key_is_a_key():
    assert set(Service.__fields__) >= HANDLED | set(REASONS)
    assert not HANDLED & set(REASONS)


def test_words_keep_what_kubernetes_would_expand(convert):
    keys = 'entrypoint: ["/e", "$$$$"], command: [echo, "$$(A)", "$$B"], environment: {C: "$$(A)"}'
    _, container, report = one(convert, keys)
    assert container["command"] == ["/e", "$$$$"]
    assert container["args"] == ["echo", "$$(A)", "$B"]
    assert container["env"] == [{"name": "C", "value": "$$(A)"}]
    assert not report.entries
    assert literal("$HOME") == "$HOME"


def test_env_files_become_a_config_map_below_the_own_variables(convert, tmp_path):
    (tmp_path / "a.env").write_text("A=1\nB=2\n")
    found, _ = convert("services: {web: {image: a, env_file: a.env, environment: {B: own}}}")
    assert found["ConfigMap", "web-env"]["data"] == {"A": "1"}
    container = found["Deployment", "web"]["spec"]["template"]["spec"]["containers"][0]
    assert container["envFrom"] == [{"configMapRef": {"name": "web-env"}}]
    assert container["env"] == [{"name": "B", "value": "own"}]


def test_ports_inside_and_outside_are_two_services(convert):
    found, report = convert('services: {web: {image: a, expose: ["9"], ports: ["8000:80/udp"]}}')
    inner, outer = found["Service", "web"]["spec"], found["Service", "web-published"]["spec"]
    assert inner["type"] == "ClusterIP"
    assert [(p["port"], p["protocol"]) for p in inner["ports"]] == [(80, "UDP"), (9, "TCP")]
    assert outer["type"] == "LoadBalancer"
    assert [(p["port"], p["targetPort"]) for p in outer["ports"]] == [(8000, 80)]
    assert outer["selector"] == inner["selector"]
    assert not report.entries


def test_node_ports_keep_the_number_where_clusters_allow_it(convert):
    found, report = convert(
        'services: {web: {image: a, ports: ["30080:80", "443:443"]}}', service_type="NodePort"
    )
    ports = found["Service", "web-published"]["spec"]["ports"]
    assert {each["port"]: each.get("nodePort") for each in ports} == {30080: 30080, 443: None}
    assert keys_of(report, "changed") == {("web", "ports.443.published")}


def test_a_port_for_this_machine_only_is_never_published(convert):
    found, report = convert('services: {web: {image: a, ports: ["127.0.0.1:80:80"]}}')
    assert ("Service", "web-published") not in found
    assert keys_of(report) == {("web", "ports.80.host_ip")}


def test_a_service_without_ports_is_found_by_name(convert):
    found, _ = convert("services: {db: {image: a}}")
    assert found["Service", "db"]["spec"]["clusterIP"] == "None"
    assert "ports" not in found["Service", "db"]["spec"]


def test_a_claim_for_one_pod_forbids_two_at_a_time(convert):
    found, report = convert("services: {db: {image: a, volumes: [vol:/d]}}\nvolumes: {vol: }")
    claim, workload = found["PersistentVolumeClaim", "vol"], found["Deployment", "db"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert workload["spec"]["strategy"] == {"type": "Recreate"}
    assert not report.lossy


def test_a_shared_volume_needs_read_write_many(convert):
    found, report = convert(
        "services: {a: {image: a, volumes: [vol:/d]}, b: {image: a, volumes: ['vol:/d:ro']}}\n"
        "volumes: {vol: }"
    )
    assert found["PersistentVolumeClaim", "vol"]["spec"]["accessModes"] == ["ReadWriteMany"]
    assert "strategy" not in found["Deployment", "a"]["spec"]
    mounts = found["Deployment", "b"]["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    assert mounts[0]["readOnly"] is True
    assert ("", "volumes.vol") in keys_of(report, "changed")


def test_secrets_and_configs_are_mounted_as_files(convert, tmp_path):
    (tmp_path / "s").write_bytes(b"\xff\x00")
    found, report = convert(
        "services: {web: {image: a, secrets: [s, t], configs: [{source: c, target: /etc/c, "
        "mode: 0440}]}}\n"
        "secrets: {s: {file: ./s}, t: {environment: T}}\nconfigs: {c: {content: hello}}",
        {"T": "token"},
    )
    assert found["Secret", "s"]["data"] == {"s": base64.b64encode(b"\xff\x00").decode()}
    assert found["Secret", "t"]["stringData"] == {"t": "token"}
    assert found["ConfigMap", "c"]["data"] == {"c": "hello"}
    pod = found["Deployment", "web"]["spec"]["template"]["spec"]
    paths = [(m["mountPath"], m["subPath"]) for m in pod["containers"][0]["volumeMounts"]]
    assert paths == [("/etc/c", "c"), ("/run/secrets/s", "s"), ("/run/secrets/t", "t")]
    assert pod["volumes"][0]["configMap"]["defaultMode"] == 0o440
    assert not report.lossy


def test_a_secret_without_content_is_asked_for(convert):
    found, report = convert(
        "services: {web: {image: a, secrets: [s, e]}}\n"
        "secrets: {s: {file: ./none}, e: {external: true, name: Their_Own}}"
    )
    assert not [name for kind, name in found if kind == "Secret"]
    assert keys_of(report) == {("", "secrets.s")}
    assert any("their-own must exist" in line for line in report.lines())


def test_a_file_of_the_project_goes_along_and_other_paths_stay(convert, tmp_path):
    (tmp_path / "init.sql").write_text("select 1;")
    found, report = convert(
        'services: {db: {image: a, volumes: ["./init.sql:/i.sql:ro", "/etc/hostname:/h:ro"]}}'
    )
    assert found["ConfigMap", "db-init-sql"]["data"] == {"init.sql": "select 1;"}
    volumes = found["Deployment", "db"]["spec"]["template"]["spec"]["volumes"]
    assert volumes[1]["hostPath"]["path"] == "/etc/hostname"
    assert keys_of(report, "changed") == {("db", "volumes./i.sql"), ("db", "volumes./h")}


def test_memory_file_systems(convert):
    pod, container, _ = one(convert, 'tmpfs: ["/run:size=64m"], shm_size: 1g')
    assert [each["emptyDir"] for each in pod["volumes"]] == [
        {"medium": "Memory", "sizeLimit": "64Mi"},
        {"medium": "Memory", "sizeLimit": "1Gi"},
    ]
    assert [m["mountPath"] for m in container["volumeMounts"]] == ["/run", "/dev/shm"]


def test_a_health_check_becomes_three_probes(convert):
    times = "interval: 10s, timeout: 1500ms, retries: 4, start_period: 1m"
    keys = f"healthcheck: {{test: curl x, {times}}}"
    _, container, report = one(convert, keys)
    command = {"command": ["/bin/sh", "-c", "curl x"]}
    steady = {"exec": command, "periodSeconds": 10, "timeoutSeconds": 2, "failureThreshold": 4}
    assert container["readinessProbe"] == container["livenessProbe"] == steady
    assert container["startupProbe"] == steady | {"periodSeconds": 5, "failureThreshold": 16}
    assert keys_of(report, "changed") == {("web", "healthcheck")}


def test_updates(convert):
    def strategy(update):
        found, _ = convert(
            f"services: {{web: {{image: a, deploy: {{replicas: 3, update_config: {update}}}}}}}"
        )
        return found["Deployment", "web"]["spec"]

    first = strategy("{parallelism: 2, order: start-first, delay: 10s}")
    assert first["strategy"]["rollingUpdate"] == {"maxSurge": 2, "maxUnavailable": 0}
    assert first["minReadySeconds"] == 10
    assert first["replicas"] == 3
    assert strategy("{}")["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    every = strategy("{parallelism: 0}")["strategy"]["rollingUpdate"]
    assert every == {"maxSurge": 0, "maxUnavailable": "100%"}


def test_what_ends_is_a_job(convert):
    found, report = convert(
        "services:\n"
        "  once: {image: a, restart: 'no'}\n"
        "  migrate: {image: a, restart: on-failure}\n"
        "  web: {image: a, depends_on: {migrate: {condition: service_completed_successfully}}}\n"
        "  agent: {image: a, deploy: {mode: global}}\n"
    )
    once, migrate = found["Job", "once"]["spec"], found["Job", "migrate"]["spec"]
    assert (once["backoffLimit"], once["template"]["spec"]["restartPolicy"]) == (0, "Never")
    assert migrate["template"]["spec"]["restartPolicy"] == "OnFailure"
    assert ("Deployment", "web") in found
    assert "replicas" not in found["DaemonSet", "agent"]["spec"]
    assert keys_of(report) == {("web", "depends_on.migrate")}


def test_limits_and_requests(convert):
    limits = "{cpus: '1.5', memory: 512M}"
    reservations = "{cpus: '0.25', memory: 1000b}"
    _, container, report = one(
        convert, f"deploy: {{resources: {{limits: {limits}, reservations: {reservations}}}}}"
    )
    assert container["resources"] == {
        "limits": {"cpu": "1500m", "memory": "512Mi"},
        "requests": {"cpu": "250m", "memory": "1000"},
    }
    assert not report.entries


def test_security(convert):
    keys = (
        'user: "1000:1001", cap_add: [CAP_NET_ADMIN], cap_drop: [ALL], read_only: true, '
        "security_opt: [no-new-privileges:true, seccomp:unconfined, what:ever], group_add: [5]"
    )
    pod, container, report = one(convert, keys)
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsGroup": 1001,
        "runAsUser": 1000,
        "seccompProfile": {"type": "Unconfined"},
    }
    assert pod["securityContext"] == {"supplementalGroups": [5]}
    assert keys_of(report) == {("web", "security_opt")}


def test_a_user_by_name_is_reported(convert):
    _, container, report = one(convert, "user: nobody")
    assert "securityContext" not in container
    assert keys_of(report) == {("web", "user")}


def test_placement(convert):
    pod, _, report = one(
        convert,
        "platform: linux/arm64, deploy: {placement: {constraints: "
        "[node.labels.disk == ssd, node.hostname != n1, node.role == manager]}}",
    )
    assert pod["nodeSelector"] == {
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "arm64",
        "disk": "ssd",
    }
    (term,) = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert term["matchExpressions"] == [
        {"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["n1"]}
    ]
    assert keys_of(report) == {("web", "deploy.placement.constraints")}


def test_names_become_dns_labels_and_stay_apart(convert):
    found, report = convert("services: {My_App: {image: a}, my.app: {image: a}}")
    assert {name for kind, name in found if kind == "Deployment"} == {"my-app", "my-app-2"}
    assert len(keys_of(report, "changed")) == 2
    assert dns_label("9lives") == "x-9lives"
    assert len(dns_label("a" * 100)) <= 63
    names = Names()
    assert [names.of("a"), names.of("a"), names.of("A")] == ["a", "a", "a-2"]


def test_aliases_are_services_too(convert):
    found, report = convert(
        "services: {db: {image: a, networks: {default: {aliases: [store, web, Bad_]}}}, "
        "web: {image: a}}"
    )
    alias, own = found["Service", "store"]["spec"], found["Service", "db"]["spec"]
    assert alias["selector"] == own["selector"]
    assert found["Service", "web"]["spec"]["selector"] != own["selector"]
    dropped = {("db", "networks.aliases.web"), ("db", "networks.aliases.Bad_")}
    assert keys_of(report) == dropped


def test_labels_that_do_not_fit_become_annotations(convert):
    found, report = convert(
        "services: {web: {image: a, labels: {a.b/c: d, rule: 'Host(`x`)', 'no key': x}}}"
    )
    metadata = found["Deployment", "web"]["spec"]["template"]["metadata"]
    assert metadata["labels"]["a.b/c"] == "d"
    assert metadata["annotations"] == {"rule": "Host(`x`)"}
    assert keys_of(report) == {("web", "labels.no key")}


@pytest.mark.parametrize(
    "keys",
    ["ulimits: {nproc: 5}", "cgroup: host", "init: true", "mac_address: aa:bb", "uts: host"],
)
def test_nothing_is_lost_silently(convert, keys):
    _, _, report = one(convert, keys)
    assert keys_of(report) == {("web", keys.partition(":")[0])}
