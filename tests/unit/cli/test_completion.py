"""What `sampan __complete` offers at each place of a command line, and the scripts that ask it."""

import pytest

CONTAINERS = [
    {"Names": ["/web"], "Image": "nginx", "Status": "Up 1 hour", "State": "running"},
    {"Names": ["/old"], "Image": "busybox", "Status": "Exited (0)", "State": "exited"},
]


@pytest.fixture
def words(engine, sampan):
    """`words("rm", "")`: the candidates without descriptions, and what else may come."""
    engine.on("GET", "/containers/json", CONTAINERS)
    engine.on("GET", "/images/json", [{"RepoTags": ["nginx:latest", "reg:5000/x:1"]}])
    engine.on("GET", "/networks", [{"Name": "back", "Driver": "bridge"}])
    engine.on("GET", "/volumes", {"Volumes": [{"Name": "data", "Driver": "local"}]})

    template = {"ContainerSpec": {"Image": "nginx:latest@sha256:1"}}
    labels = {"com.docker.stack.namespace": "shop"}
    service = {"Name": "shop_web", "Labels": labels, "TaskTemplate": template}
    engine.on("GET", "/services", [{"Spec": service}])
    task = {"ID": "t1", "Spec": template, "Status": {"State": "running"}}
    engine.on("GET", "/tasks", [task])
    node = {"Description": {"Hostname": "master"}, "Spec": {"Role": "manager"}}
    engine.on("GET", "/nodes", [node])
    engine.on("GET", "/secrets", [{"Spec": {"Name": "password"}}])
    engine.on("GET", "/configs", [{"Spec": {"Name": "settings"}}])

    def run(*line):
        done = sampan("__complete", *line)
        assert (done.status, done.err) == (0, "")
        *found, also = done.out.splitlines()
        return [row.partition("\t")[0] for row in found], also

    return run


@pytest.mark.parametrize(
    ("line", "expected", "also"),
    [
        (("vol",), ["volume"], ":none"),
        (("__c",), [], ":none"),
        (("volume", "r"), ["rm"], ":none"),
        (("volume", "nosuch", ""), [], ":none"),
        (("nosuch", ""), [], ":none"),
        (("--tlsc",), ["--tlscacert", "--tlscert"], ":none"),
        (("--tlskey", ""), [], ":files"),
        (("rm", ""), ["old", "web"], ":none"),
        (("rm", "-f", "web", ""), ["old", "web"], ":none"),
        (("container", "rm", "w"), ["web"], ":none"),
        (("stop", ""), ["web"], ":none"),
        (("start", ""), ["old"], ":none"),
        (("exec", "-it", ""), ["web"], ":none"),
        (("exec", "-e", "A=b", "web", "l"), [], ":files"),
        (("exec", "web", "-"), [], ":files"),
        (("run", "--na"), ["--name"], ":none"),
        (("run", "--network", ""), ["back"], ":none"),
        (("run", "--network=b"), ["--network=back"], ":none"),
        (("run", "--name", ""), [], ":none"),
        (("run", "--rm", "-p80:80", "n"), ["nginx", "nginx:latest"], ":none"),
        (("run", "-v", "d"), ["data:"], ":files"),
        (("run", "--restart", "un"), ["unless-stopped"], ":none"),
        (("run", "--health-on-failure="), None, ":none"),
        (("rmi", "reg:5000/"), ["reg:5000/x:1"], ":none"),
        (("network", "connect", ""), ["back"], ":none"),
        (("network", "connect", "back", ""), ["old", "web"], ":none"),
        (("cp", "w"), ["web:"], ":files"),
        (("build", "-t", "x", ""), [], ":folders"),
        (("kill", "--signal", "SIGKI"), ["SIGKILL"], ":none"),
        (("inspect", ""), None, ":none"),
        (("completion", ""), ["bash", "fish", "zsh"], ":none"),
        (("logs", "web", ""), [], ":none"),
        (("swarm", "join-t"), ["join-token"], ":none"),
        (("swarm", "join-token", ""), ["manager", "worker"], ":none"),
        (("swarm", "init", "--advertise"), ["--advertise-addr"], ":none"),
        (("swarm", "init", "--availability", "dr"), ["drain"], ":none"),
        (("node", "promote", "master", ""), ["master"], ":none"),
        (("node", "update", "--role", "w"), ["worker"], ":none"),
        (("node", "ps", "m"), ["master"], ":none"),
        (("service", "create", "--with"), ["--with-registry-auth"], ":none"),
        (("service", "create", "ngi"), ["nginx", "nginx:latest"], ":none"),
        (("service", "create", "--secret", ""), ["password"], ":none"),
        (("service", "create", "--config", ""), ["settings"], ":none"),
        (("--config", ""), [], ":folders"),
        (("service", "create", "--mode", "rep"), ["replicated", "replicated-job"], ":none"),
        (("service", "update", "--network-add", "b"), ["back"], ":none"),
        (("service", "update", "s"), ["shop_web"], ":none"),
        (("service", "scale", "s"), ["shop_web="], ":nospace"),
        (("service", "logs", ""), ["shop_web", "t1"], ":none"),
        (("stack", "deploy", "-c", ""), [], ":files"),
        (("stack", "rm", ""), ["shop"], ":none"),
        (("secret", "rm", ""), ["password"], ":none"),
        (("secret", "create", "new", ""), [], ":files"),
        (("config", "inspect", ""), ["settings"], ":none"),
    ],
)
def test_candidates(words, line, expected, also):
    found, rest = words(*line)
    assert rest == also
    if expected is not None:
        assert found == expected


def test_first_word_may_be_any_verb_or_group(words):
    found, _ = words("")
    assert {"run", "ps", "network", "system", "completion"} <= set(found)
    assert not any(word.startswith("__") for word in found)


def test_objects_of_all_kinds_can_be_inspected(words):
    found, _ = words("inspect", "")
    assert {"web", "nginx", "back", "data"} <= set(found)


def test_every_flag_of_a_verb_is_offered_but_the_hidden_ones(words):
    found, _ = words("run", "--")
    assert {"--publish", "--health-on-failure", "--help"} <= set(found)
    assert "--cpu-percent" not in found


def test_descriptions_follow_a_tab(engine, sampan):
    engine.on("GET", "/containers/json", CONTAINERS)
    assert sampan("__complete", "stop", "").out == "web\tnginx, Up 1 hour\n:none\n"


def test_engine_named_on_the_line_is_asked(words, engine):
    assert words("-H", "unix:///nosuch.sock", "rm", "") == ([], ":none")
    assert words("-H", engine.address, "rm", "w") == (["web"], ":none")


def test_unknown_shell_is_refused(sampan):
    done = sampan("completion", "tcsh")
    assert (done.status, done.err) == (
        1,
        "unsupported shell 'tcsh': must be one of bash, zsh, fish\n",
    )


def test_help_of_the_program_hides_what_shells_call(sampan):
    text = sampan("--help").out
    assert "completion" in text
    assert "__complete" not in text
