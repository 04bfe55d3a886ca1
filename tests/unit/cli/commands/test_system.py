import json

import pytest


def test_prune_asks_and_takes_no_for_an_answer(sampan, engine):
    outcome = sampan("container", "prune", stdin=b"n\n")
    assert outcome.out.startswith("WARNING! This will remove all stopped containers.\n")
    assert engine.requests == []


def test_container_prune(sampan, engine):
    engine.on("POST", "/containers/prune", {"ContainersDeleted": ["a"], "SpaceReclaimed": 1500})
    outcome = sampan("container", "prune", stdin=b"y\n")
    assert outcome.out.endswith("Deleted Containers:\na\n\nTotal reclaimed space: 1.5kB\n")


def test_image_prune_says_which_images(sampan, engine):
    deleted = [{"Untagged": "a:1"}, {"Deleted": "sha256:1"}]
    engine.on("POST", "/images/prune", {"ImagesDeleted": deleted, "SpaceReclaimed": 0})
    outcome = sampan("image", "prune", "-af")
    assert outcome.out == (
        "Deleted Images:\nuntagged: a:1\ndeleted: sha256:1\n\nTotal reclaimed space: 0B\n"
    )
    assert engine.requests[0].query == {"filters": '{"dangling":{"false":true}}'}


def test_system_prune_calls_all_in_order_and_volumes_only_when_asked(sampan, engine):
    for noun in ("containers", "networks", "volumes", "images", "build"):
        engine.on("POST", f"/{noun}/prune", {"SpaceReclaimed": 1})
    assert sampan("system", "prune", "-f").out == "Total reclaimed space: 3B\n"
    order = ["POST /containers/prune", "POST /networks/prune", "POST /images/prune"]
    assert engine.paths() == [*order, "POST /build/prune"]
    sampan("system", "prune", "-f", "--volumes")
    assert "POST /volumes/prune" in engine.paths()


EVENT = {
    "Type": "container",
    "Action": "die",
    "Actor": {"ID": "c1", "Attributes": {"name": "web", "exitCode": "3"}},
    "scope": "local",
    "time": 1,
    "timeNano": 1_000_000_002,
}


def test_events_are_lines_json_or_templates(sampan, engine):
    engine.on("GET", "/events", EVENT)
    line = sampan("events", "--since", "1", "--until", "2").out
    assert line.endswith(".000000002Z container die c1 (exitCode=3, name=web)\n")
    assert json.loads(sampan("events", "--format", "json").out) == EVENT
    text = "{{.Type}} {{.Action}} {{.Actor.Attributes.name}} {{.ID}}"
    assert sampan("events", "--format", text).out == "container die web \n"
    assert sampan("events", "--format", "{{").status == 64


def test_version_shows_the_client_even_without_an_engine(sampan):
    outcome = sampan("version", DOCKER_HOST="unix:///nosuch.sock")
    assert outcome.status == 1
    assert outcome.out.startswith("Client: Sampan\n Version:           ")
    assert "Cannot connect" in outcome.err


def test_version_templates(sampan, engine):
    engine.on("GET", "/version", {"Version": "9", "ApiVersion": "1.41", "Components": []})
    text = "{{.Server.Version}} {{.Server.APIVersion}} {{.Client.APIVersion}}"
    assert sampan("version", "-f", text).out == "9 1.41 1.41\n"


def test_info_prints_what_is_there(sampan, engine):
    info = {
        "Containers": 3, "Images": 2, "Driver": "overlay", "DriverStatus": [["a", "b"]],
        "Swarm": {"LocalNodeState": "inactive"}, "NCPU": 2, "MemTotal": 1 << 30,
        "SecurityOptions": ["name=seccomp,profile=builtin"], "Runtimes": {"runc": {}, "crun": {}},
        "DefaultRuntime": "crun", "Plugins": {"Network": ["bridge", "host"]},
        "Warnings": ["WARNING: no swap"],
    }  # fmt: skip
    engine.on("GET", "/info", info)
    outcome = sampan("info")
    for line in (
        " Containers: 3", " Storage Driver: overlay", "  a: b", "  Network: bridge host",
        " Swarm: inactive", " Runtimes: crun runc", " Default Runtime: crun", "  seccomp",
        "   Profile: builtin", " CPUs: 2", " Total Memory: 1GiB",
    ):  # fmt: skip
        assert line in outcome.out.splitlines()
    assert outcome.err == "WARNING: no swap\n"
    assert sampan("info", "-f", "{{json .Plugins.Network}}").out == '["bridge","host"]\n'


def test_system_df(sampan, engine):
    usage = {
        "LayersSize": 1000,
        "Images": [{"Id": "sha256:1", "Size": 600, "SharedSize": 0, "Containers": 1}],
        "Containers": [{"State": "exited", "SizeRw": 50}],
        "Volumes": [{"Name": "v", "Driver": "local", "UsageData": {"Size": 7, "RefCount": 0}}],
        "BuildCache": [],
    }
    engine.on("GET", "/system/df", usage)
    assert sampan("system", "df").out == (
        "TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE\n"
        "Images          1         1         1kB       400B (40%)\n"
        "Containers      1         0         50B       50B (100%)\n"
        "Local Volumes   1         0         7B        7B (100%)\n"
        "Build Cache     0         0         0B        0B\n"
    )


SAMPLE = {
    "id": "f" * 64,
    "name": "/web",
    "cpu_stats": {
        "cpu_usage": {"total_usage": 300}, "system_cpu_usage": 2000, "online_cpus": 2,
    },
    "precpu_stats": {"cpu_usage": {"total_usage": 100}, "system_cpu_usage": 1000},
    "memory_stats": {"usage": 3072, "limit": 1 << 20, "stats": {"inactive_file": 1024}},
    "networks": {"eth0": {"rx_bytes": 1500, "tx_bytes": 2}},
    "pids_stats": {"current": 4},
}  # fmt: skip


def test_stats_without_a_stream(sampan, engine):
    engine.on("GET", "/containers/web/stats", SAMPLE)
    text = "{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.MemPerc}} {{.NetIO}} {{.BlockIO}} {{.PIDs}}"
    outcome = sampan("stats", "--no-stream", "--format", text, "web")
    assert outcome.out == "web 40.00% 2KiB / 1MiB 0.20% 1.5kB / 2B 0B / 0B 4\n"


def test_stats_of_nothing(sampan, engine):
    engine.on("GET", "/containers/no/stats", {"message": "No such container: no"}, 404)
    assert sampan("stats", "--no-stream", "no").status == 1


@pytest.mark.parametrize(
    ("words", "config"),
    [
        (["--subnet", "10.0.0.0/24"], {"Subnet": "10.0.0.0/24"}),
        (
            ["--subnet", "10.0.0.0/24", "--gateway", "10.0.0.1", "--ip-range", "10.0.0.128/25"],
            {"Subnet": "10.0.0.0/24", "Gateway": "10.0.0.1", "IPRange": "10.0.0.128/25"},
        ),
    ],
)
def test_network_create_places_addresses_in_subnets(sampan, engine, words, config):
    engine.on("POST", "/networks/create", {"Id": "n1"}, 201)
    assert sampan("network", "create", *words, "n").out == "n1\n"
    assert engine.requests[0].json["IPAM"]["Config"] == [
        {key: config[key] for key in sorted(config, key=list(config).index)}
    ]


def test_network_create_refuses_a_gateway_outside(sampan):
    outcome = sampan("network", "create", "--subnet", "10.0.0.0/24", "--gateway", "1.2.3.4", "n")
    assert (outcome.status, outcome.err) == (1, "no matching subnet for gateway 1.2.3.4\n")


def test_login_and_logout_keep_credentials_in_the_file(sampan, engine, tmp_path):
    path = tmp_path / "home" / "config.json"
    path.write_text('{"psFormat": "x"}')
    engine.on("POST", "/auth", {"Status": "Login Succeeded", "IdentityToken": ""})
    outcome = sampan("login", "-u", "me", "--password-stdin", "reg.example", stdin=b"secret\n")
    assert (outcome.status, outcome.out) == (0, "Login Succeeded\n")
    assert engine.requests[0].json["password"] == "secret"
    saved = json.loads(path.read_text())
    assert saved == {"psFormat": "x", "auths": {"reg.example": {"auth": "bWU6c2VjcmV0"}}}
    assert path.stat().st_mode & 0o777 == 0o600
    assert sampan("logout", "reg.example").status == 0
    assert json.loads(path.read_text())["auths"] == {}
