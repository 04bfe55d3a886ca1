"""Verbs of swarms: what they send, which columns they print, how they wait."""

import base64
import json

import pytest

from sampan.cli import converging
from sampan.cli.commands.services.listing import ports_text, replicas_text

DIGEST = "sha256:" + "d" * 64
SERVICE = {
    "ID": "svc1aaaaaaaaaaaaaaaaaaaaa",
    "Version": {"Index": 10},
    "CreatedAt": "2026-01-01T00:00:00Z",
    "UpdatedAt": "2026-01-01T00:00:00Z",
    "Spec": {
        "Name": "web",
        "Labels": {"old": "1"},
        "TaskTemplate": {
            "ContainerSpec": {"Image": "nginx:latest", "Env": ["A=1", "B=2"]},
            "ForceUpdate": 0,
            "Runtime": "container",
        },
        "Mode": {"Replicated": {"Replicas": 1}},
        "EndpointSpec": {"Mode": "vip"},
    },
    "Endpoint": {"Spec": {}},
}
TASK = {
    "ID": "tsk1aaaaaaaaaaaaaaaaaaaaa",
    "CreatedAt": "2026-01-01T00:00:02Z",
    "Spec": {"ContainerSpec": {"Image": "nginx:latest@" + DIGEST}},
    "ServiceID": SERVICE["ID"],
    "Slot": 1,
    "NodeID": "n1",
    "Status": {"State": "running", "Timestamp": "2026-01-01T00:00:03Z", "PortStatus": {}},
    "DesiredState": "running",
}
NODE = {
    "ID": "n1",
    "Version": {"Index": 9},
    "Spec": {"Labels": {}, "Role": "worker", "Availability": "active"},
    "Description": {"Hostname": "host1", "Engine": {"EngineVersion": "28"}, "TLSInfo": {}},
    "Status": {"State": "ready", "Addr": "10.0.0.1"},
    "ManagerStatus": {"Leader": True, "Reachability": "reachable", "Addr": "10.0.0.1:2377"},
}


def variant(base, **members):
    return {**json.loads(json.dumps(base)), **members}


@pytest.fixture
def registry(engine):
    platforms = [{"architecture": "amd64", "os": "linux"}]
    answer = {"Descriptor": {"digest": DIGEST}, "Platforms": platforms}
    engine.on("GET", "/distribution/nginx:latest/json", answer)
    engine.on("POST", "/services/create", {"ID": SERVICE["ID"]}, 201)


def sent(engine):
    """The body of the last request that has one."""
    return next(each.json for each in reversed(engine.requests) if each.body)


def test_service_create_sends_what_dockers_client_sends(sampan, engine, registry):
    words = "service create -d --name web --replicas 2 -p 80:80 nginx"
    assert sampan(*words.split()).out == SERVICE["ID"] + "\n"
    assert sent(engine) == {
        "Name": "web",
        "Labels": {},
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": "nginx:latest@" + DIGEST,
                "Init": False,
                "DNSConfig": {},
            },
            "Resources": {"Limits": {}, "Reservations": {}},
            "Placement": {"Platforms": [{"Architecture": "amd64", "OS": "linux"}]},
            "ForceUpdate": 0,
        },
        "Mode": {"Replicated": {"Replicas": 2}},
        "EndpointSpec": {
            "Mode": "vip",
            "Ports": [
                {
                    "Protocol": "tcp",
                    "TargetPort": 80,
                    "PublishedPort": 80,
                    "PublishMode": "ingress",
                }
            ],
        },
    }


def test_service_create_knows_its_flags(sampan, engine, registry):
    engine.on("GET", "/secrets", [{"ID": "sec1", "Spec": {"Name": "s1"}}])
    engine.on("GET", "/configs", [{"ID": "cfg1", "Spec": {"Name": "k1"}}])
    outcome = sampan(
        *("service", "create", "-d", "--mode", "global", "--secret", "s1"),
        *("--config", "source=k1,target=/etc/k,mode=0400", "--constraint", "node.role==worker"),
        *("--limit-cpu", "0.5", "--reserve-memory", "64m", "--restart-condition", "none"),
        *("--update-order", "start-first", "--host", "db:10.0.0.9", "--placement-pref"),
        *("spread=node.labels.zone", "--network", "name=back,alias=w", "--cap-add", "net_admin"),
        *("-p", "mode=host,target=53,protocol=udp", "nginx", "sleep", "-1"),
    )
    assert outcome.status == 0, outcome.err
    body = sent(engine)
    container = body["TaskTemplate"]["ContainerSpec"]
    assert container["Args"] == ["sleep", "-1"]
    assert container["Hosts"] == ["10.0.0.9 db"]
    assert container["CapabilityAdd"] == ["CAP_NET_ADMIN"]
    assert container["Secrets"] == [
        {
            "File": {"Name": "s1", "UID": "0", "GID": "0", "Mode": 292},
            "SecretID": "sec1",
            "SecretName": "s1",
        }
    ]
    assert container["Configs"][0]["File"] == {
        "Name": "/etc/k",
        "UID": "0",
        "GID": "0",
        "Mode": 0o400,
    }
    task = body["TaskTemplate"]
    assert task["Resources"] == {
        "Limits": {"NanoCPUs": 500000000},
        "Reservations": {"MemoryBytes": 64 << 20},
    }
    assert task["RestartPolicy"] == {"Condition": "none"}
    assert task["Networks"] == [{"Target": "back", "Aliases": ["w"]}]
    assert task["Placement"]["Constraints"] == ["node.role==worker"]
    assert task["Placement"]["Preferences"] == [
        {"Spread": {"SpreadDescriptor": "node.labels.zone"}}
    ]
    assert body["UpdateConfig"]["Order"] == "start-first"
    assert body["Mode"] == {"Global": {}}
    assert body["EndpointSpec"]["Ports"] == [
        {"Protocol": "udp", "PublishMode": "host", "TargetPort": 53}
    ]


def test_a_secret_that_isnt_there_is_named(sampan, engine, registry):
    engine.on("GET", "/secrets", [])
    outcome = sampan("service", "create", "-d", "--secret", "s1", "nginx")
    assert (outcome.status, outcome.err.strip()) == (1, "secret not found: s1")


def test_an_image_without_registry_is_taken_with_a_warning(sampan, engine):
    engine.on("GET", "/distribution/mine:latest/json", {"message": "no such host"}, 500)
    engine.on("POST", "/services/create", {"ID": "x"}, 201)
    outcome = sampan("service", "create", "-d", "mine")
    assert outcome.status == 0
    assert outcome.err.startswith(
        "image mine:latest could not be accessed on a registry to record\nits digest."
    )
    assert sent(engine)["TaskTemplate"]["ContainerSpec"]["Image"] == "mine:latest"


def update(sampan, engine, *words):
    engine.on("GET", "/services/web", SERVICE)
    engine.on("POST", f"/services/{SERVICE['ID']}/update", {"Warnings": None})
    outcome = sampan("service", "update", "-d", *words, "web")
    assert outcome.status == 0, outcome.err
    return sent(engine)


def test_service_update_changes_only_what_is_asked(sampan, engine):
    body = update(sampan, engine, "--replicas", "4", "--publish-add", "81:81")
    assert body["Mode"] == {"Replicated": {"Replicas": 4}}
    assert body["EndpointSpec"]["Ports"][0]["PublishedPort"] == 81
    assert body["TaskTemplate"] == SERVICE["Spec"]["TaskTemplate"]
    query = engine.requests[-1].query
    assert query == {"version": "10", "registryAuthFrom": "spec"}


def test_service_update_adds_and_removes(sampan, engine):
    body = update(
        sampan,
        engine,
        *("--env-rm", "A", "--env-add", "B=3", "--env-add", "C=4", "--label-rm", "old"),
        *("--label-add", "new=2", "--force", "--args", "sleep '1 2'"),
    )
    container = body["TaskTemplate"]["ContainerSpec"]
    assert container["Env"] == ["B=3", "C=4"]
    assert container["Args"] == ["sleep", "1 2"]
    assert body["Labels"] == {"new": "2"}
    assert body["TaskTemplate"]["ForceUpdate"] == 1


def test_service_scale_posts_the_number(sampan, engine):
    engine.on("GET", "/services/web", SERVICE)
    engine.on("POST", f"/services/{SERVICE['ID']}/update", {"Warnings": None})
    assert sampan("service", "scale", "-d", "web=3").out == "web scaled to 3\n"
    assert sent(engine)["Mode"] == {"Replicated": {"Replicas": 3}}


def test_service_ls_prints_dockers_columns(sampan, engine):
    status = {"RunningTasks": 1, "DesiredTasks": 3, "CompletedTasks": 0}
    engine.on("GET", "/services", [variant(SERVICE, ServiceStatus=status)])
    lines = sampan("service", "ls").out.splitlines()
    assert lines[0] == "ID             NAME      MODE         REPLICAS   IMAGE          PORTS"
    assert lines[1].split() == ["svc1aaaaaaaa", "web", "replicated", "1/3", "nginx:latest"]
    assert engine.requests[0].query == {"status": "true"}


def test_ports_next_to_each_other_are_joined():
    def port(number, **more):
        return {"Protocol": "tcp", "PublishedPort": number, "TargetPort": number, **more}

    ports = [port(number, PublishMode="ingress") for number in (81, 80, 90)]
    ports.append(port(99, PublishMode="host"))
    assert ports_text({"Endpoint": {"Ports": ports}}) == "*:80-81->80-81/tcp, *:90->90/tcp"


def test_replicas_of_jobs_say_how_many_are_through():
    job = {
        "Spec": {"Mode": {"ReplicatedJob": {"TotalCompletions": 5}}, "TaskTemplate": {}},
        "ServiceStatus": {"RunningTasks": 1, "DesiredTasks": 1, "CompletedTasks": 2},
    }
    assert replicas_text(job) == "1/1 (2/5 completed)"


def test_service_ps_puts_older_tasks_below(sampan, engine):
    older = variant(TASK, ID="old", CreatedAt="2026-01-01T00:00:01Z", DesiredState="shutdown")
    older["Status"] |= {"State": "failed", "Err": "task: non-zero exit (1) and a long story"}
    engine.on("GET", "/services", [SERVICE])
    engine.on("GET", "/tasks", [older, TASK])
    engine.on("GET", f"/services/{SERVICE['ID']}", SERVICE)
    engine.on("GET", "/nodes/n1", NODE)
    lines = sampan("service", "ps", "web").out.splitlines()
    assert lines[0].split("  ")[0] == "ID"
    assert lines[1].split()[:6] == ["tsk1aaaaaaaa", "web.1", "nginx:latest", "host1", "Running",
                                    "Running"]  # fmt: skip
    assert " \\_ web.1 " in lines[2]
    assert '"task: non-zero exit (1) and a…"' in lines[2]
    missing = sampan("service", "ps", "nope")
    assert (missing.status, missing.err.strip()) == (1, "no such service: nope")


def test_service_logs_names_the_tasks(sampan, engine):
    details = (
        "com.docker.swarm.node.id=n1,com.docker.swarm.service.id="
        f"{SERVICE['ID']},com.docker.swarm.task.id={TASK['ID']}"
    )
    record = f"{details} hello\n".encode()
    frame = b"\x01\0\0\0" + len(record).to_bytes(4, "big") + record
    engine.on("GET", "/services/web", SERVICE)
    engine.on("GET", f"/services/{SERVICE['ID']}", SERVICE)
    engine.on("GET", "/services/web/logs", frame)
    engine.on("GET", "/nodes/n1", NODE)
    engine.on("GET", f"/tasks/{TASK['ID']}", TASK)
    assert sampan("service", "logs", "web").out == "web.1.tsk1aaaaaaaa@host1    | hello\n"


@pytest.fixture
def quickly(monkeypatch):
    """A clock of its own for the display: a look takes a second."""
    now = [0.0]
    monkeypatch.setattr(converging.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(converging.time, "sleep", lambda _: now.__setitem__(0, now[0] + 1))


def test_waiting_shows_how_far_the_service_is(sampan, engine, registry, quickly):
    engine.on("GET", f"/services/{SERVICE['ID']}", SERVICE)
    starting = variant(TASK, Status={"State": "starting"})
    engine.on("GET", "/tasks", [starting])
    engine.on("GET", "/tasks", [TASK])
    engine.on("GET", "/nodes", [NODE])
    lines = sampan("service", "create", "nginx").out.splitlines()
    assert lines[0] == SERVICE["ID"]
    assert lines[1] == "overall progress: 0 out of 1 tasks"
    assert lines[2] == "overall progress: 1 out of 1 tasks"
    assert lines[3] == "verify: Waiting 6 seconds to verify that tasks are stable..."
    assert lines[-1] == f"verify: Service {SERVICE['ID']} converged"
    asked = [each for each in engine.requests if each.path == "/tasks"]
    assert json.loads(asked[0].query["filters"]) == {
        "_up-to-date": {"true": True},
        "service": {SERVICE["ID"]: True},
    }


def test_waiting_ends_when_an_update_is_paused(sampan, engine, registry, quickly):
    status = {"State": "paused", "Message": "update paused due to failure"}
    engine.on("GET", f"/services/{SERVICE['ID']}", variant(SERVICE, UpdateStatus=status))
    outcome = sampan("service", "create", "nginx")
    assert outcome.status == 1
    assert "service update paused: update paused due to failure" in outcome.err


def test_node_ls_marks_this_node(sampan, engine):
    engine.on("GET", "/nodes", [NODE])
    engine.on("GET", "/info", {"Swarm": {"NodeID": "n1"}})
    lines = sampan("node", "ls").out.splitlines()
    assert lines[0].split("  ")[0] == "ID"
    assert lines[1].split() == ["n1", "*", "host1", "Ready", "Active", "Leader", "28"]


def test_node_promote_posts_the_role_once(sampan, engine):
    engine.on("GET", "/nodes/host1", NODE)
    engine.on("POST", "/nodes/n1/update", b"")
    out = sampan("node", "promote", "host1").out
    assert out == "Node host1 promoted to a manager in the swarm.\n"
    assert sent(engine)["Role"] == "manager"
    assert engine.requests[-1].query == {"version": "9"}
    assert sampan("node", "demote", "host1").out == "Node host1 is already a worker.\n"


def test_swarm_init_says_how_to_join(sampan, engine):
    engine.on("POST", "/swarm/init", "n1")
    engine.on("GET", "/nodes/n1", NODE)
    engine.on("GET", "/swarm", {"JoinTokens": {"Worker": "SWMTKN-w", "Manager": "SWMTKN-m"}})
    out = sampan("swarm", "init", "--advertise-addr", "10.0.0.1").out
    assert out.startswith("Swarm initialized: current node (n1) is now a manager.\n")
    assert "    sampan swarm join --token SWMTKN-w 10.0.0.1:2377\n" in out
    body = engine.requests[0].json
    assert body["ListenAddr"] == "0.0.0.0:2377"
    assert (body["AdvertiseAddr"], body["SubnetSize"]) == ("10.0.0.1", 24)


def test_secret_create_reads_standard_input(sampan, engine):
    engine.on("POST", "/secrets/create", {"ID": "sec1"}, 201)
    outcome = sampan("secret", "create", "-l", "a=b", "s1", "-", stdin=b"hello")
    assert outcome.out == "sec1\n"
    data = base64.b64encode(b"hello").decode()
    assert sent(engine) == {"Name": "s1", "Labels": {"a": "b"}, "Data": data}


STACK = """
services:
  web:
    image: nginx
    secrets: [tok]
    deploy: {replicas: 2}
secrets: {tok: {file: ./tok}}
"""


@pytest.fixture
def stack(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stack.yml").write_text(STACK)
    (tmp_path / "tok").write_text("token")


def test_stack_deploy_makes_what_isnt_there(sampan, engine, registry, stack):
    engine.on("GET", "/info", {"Swarm": {"ControlAvailable": True}})
    for kind in ("networks", "services"):
        engine.on("GET", f"/{kind}", [])
    engine.on("POST", "/networks/create", {"Id": "net"}, 201)
    engine.on("GET", "/secrets/st_tok", {"message": "secret st_tok not found"}, 404)
    engine.on("GET", "/secrets/st_tok", {"ID": "sec1", "Version": {"Index": 1}})
    engine.on("POST", "/secrets/create", {"ID": "sec1"}, 201)
    outcome = sampan("stack", "deploy", "-c", "stack.yml", "st")
    assert outcome.out.splitlines() == [
        "Creating network st_default",
        "Creating secret st_tok",
        "Creating service st_web",
    ]
    labels = {"com.docker.stack.namespace": "st"}
    bodies = {each.path: each.json for each in engine.requests if each.body}
    assert bodies["/networks/create"]["Labels"] == labels
    assert bodies["/secrets/create"]["Data"] == base64.b64encode(b"token").decode()
    service = bodies["/services/create"]
    assert service["Name"] == "st_web"
    assert service["Labels"] == {**labels, "com.docker.stack.image": "nginx"}
    assert service["Mode"] == {"Replicated": {"Replicas": 2}}
    assert service["TaskTemplate"]["Networks"] == [{"Target": "st_default", "Aliases": ["web"]}]
    container = service["TaskTemplate"]["ContainerSpec"]
    assert container["Image"] == "nginx:latest@" + DIGEST
    assert container["Secrets"][0]["SecretID"] == "sec1"


def test_stack_deploy_refuses_with_file_and_line(sampan, engine, stack, tmp_path):
    text = STACK.replace("    image: nginx\n", "    image: nginx\n    network_mode: host\n")
    (tmp_path / "stack.yml").write_text(text)
    outcome = sampan("stack", "deploy", "-c", "stack.yml", "st")
    assert outcome.status == 1
    assert outcome.err.strip() == (
        "services.web.network_mode isn't supported by services of a swarm "
        f"({tmp_path}/stack.yml, line 5)"
    )
    assert not engine.requests


def test_stack_ls_counts_services(sampan, engine):
    labels = {"com.docker.stack.namespace": "st"}
    engine.on("GET", "/services", [{"Spec": {"Labels": labels}}] * 2)
    assert sampan("stack", "ls").out == "NAME      SERVICES\nst        2\n"
