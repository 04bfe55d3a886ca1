import struct
import time

import pytest

ID = "a" * 64


def frame(stream: int, data: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(data)) + data


@pytest.fixture
def runnable(engine):
    """An engine that creates, attaches, starts and waits for one container."""

    def attached(connection, _body):
        while not started():
            time.sleep(0.005)
        connection.sendall(frame(1, b"out\n") + frame(2, b"err\n")[:5])
        connection.sendall(frame(2, b"err\n")[5:])

    def started():
        return f"POST /containers/{ID}/start" in engine.paths()

    engine.on("POST", "/containers/create", {"Id": ID, "Warnings": ["careful"]}, 201)
    engine.on("POST", f"/containers/{ID}/attach", hijack=attached)
    engine.on("POST", f"/containers/{ID}/wait", {"StatusCode": 42})
    engine.on("POST", f"/containers/{ID}/start", status=204)
    return engine


def test_run_attaches_and_waits_before_it_starts(sampan, runnable):
    outcome = sampan("run", "--sig-proxy=false", "--rm", "busybox", "sh", "-c", "x")
    assert runnable.paths() == [
        "POST /containers/create",
        f"POST /containers/{ID}/attach",
        f"POST /containers/{ID}/wait",
        f"POST /containers/{ID}/start",
    ]
    assert runnable.requests[2].query == {"condition": "removed"}
    assert (outcome.status, outcome.out) == (42, "out\n")
    assert outcome.err == "WARNING: careful\nerr\n"


def test_run_detached_prints_the_id_and_still_waits_first(sampan, runnable):
    outcome = sampan("run", "-d", "busybox")
    assert (outcome.status, outcome.out) == (0, ID + "\n")
    assert runnable.paths()[1] == f"POST /containers/{ID}/wait"
    assert not runnable.requests[0].json["AttachStdout"]


def test_run_sends_standard_input_and_half_closes(sampan, engine):
    received = []

    def attached(connection, _body):
        with connection.makefile("rb") as file:
            received.append(file.read())
        connection.sendall(frame(1, received[0].upper()))

    engine.on("POST", "/containers/create", {"Id": ID}, 201)
    engine.on("POST", f"/containers/{ID}/attach", hijack=attached)
    engine.on("POST", f"/containers/{ID}/wait", {"StatusCode": 0})
    engine.on("POST", f"/containers/{ID}/start", status=204)
    outcome = sampan("run", "--sig-proxy=false", "-i", "busybox", stdin=b"some\ninput\n")
    assert outcome.out == "SOME\nINPUT\n"
    assert engine.requests[0].json["StdinOnce"]


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ('exec: "nosuch": executable file not found in $PATH: unknown', 127),
        ("exec: /etc/passwd: permission denied: unknown", 126),
        ("driver failed programming external connectivity", 125),
    ],
)
def test_run_exit_status_when_the_start_fails(sampan, engine, message, status):
    engine.on("POST", "/containers/create", {"Id": ID}, 201)
    engine.on("POST", f"/containers/{ID}/wait", {"StatusCode": 0})
    engine.on("POST", f"/containers/{ID}/start", {"message": message}, 400)
    outcome = sampan("run", "-d", "busybox", "x")
    assert outcome.status == status
    assert outcome.err.startswith(f"sampan: Error response from daemon: {message}\n\nRun 'sampan")


def test_run_pulls_a_missing_image_and_tries_again(sampan, engine):
    engine.on("POST", "/containers/create", {"message": "No such image: busybox:latest"}, 404)
    engine.on("POST", "/containers/create", {"Id": ID}, 201)
    engine.on("POST", "/images/create", {"status": "Pulling from library/busybox", "id": "latest"})
    engine.on("POST", f"/containers/{ID}/wait", {"StatusCode": 0})
    engine.on("POST", f"/containers/{ID}/start", status=204)
    outcome = sampan("run", "-d", "busybox")
    assert outcome.out == ID + "\n"
    assert outcome.err == (
        "Unable to find image 'busybox:latest' locally\nlatest: Pulling from library/busybox\n"
    )
    pull = engine.requests[1]
    assert pull.query == {"fromImage": "docker.io/library/busybox", "tag": "latest"}
    assert pull.headers["x-registry-auth"] == "e30="


def test_run_never_pulls_when_told_so(sampan, engine):
    engine.on("POST", "/containers/create", {"message": "No such image: b:latest"}, 404)
    outcome = sampan("run", "--pull", "never", "b")
    assert outcome.status == 125
    assert engine.paths() == ["POST /containers/create"]


def test_run_refuses_a_terminal_that_is_not_there(sampan):
    outcome = sampan("run", "-it", "busybox")
    assert (outcome.status, outcome.err) == (1, "the input device is not a TTY\n")


def test_run_refuses_a_bad_reference_before_any_request(sampan, engine):
    outcome = sampan("run", "BadName")
    assert outcome.status == 125
    assert "repository name (library/BadName) must be lowercase" in outcome.err
    assert engine.requests == []


def test_cidfile_is_written_and_never_overwritten(sampan, runnable, tmp_path):
    cidfile = tmp_path / "cid"
    sampan("create", "--cidfile", str(cidfile), "busybox")
    assert cidfile.read_text() == ID
    outcome = sampan("create", "--cidfile", str(cidfile), "busybox")
    assert outcome.status == 1
    assert "container ID file found" in outcome.err


def test_cidfile_of_a_failed_create_is_removed(sampan, engine, tmp_path):
    engine.on("POST", "/containers/create", {"message": "no"}, 409)
    sampan("create", "--cidfile", str(tmp_path / "cid"), "busybox")
    assert not (tmp_path / "cid").exists()


def test_exec_order_and_exit_status(sampan, engine):
    engine.on("GET", "/containers/c1/json", {"Id": ID})
    engine.on("POST", "/containers/c1/exec", {"Id": "e1"}, 201)
    engine.on("POST", "/exec/e1/start", hijack=lambda c, _: c.sendall(frame(1, b"hi\n")))
    engine.on("GET", "/exec/e1/json", {"ExitCode": 17})
    outcome = sampan("exec", "-e", "A=1", "-w", "/w", "c1", "ls", "-l")
    assert (outcome.status, outcome.out) == (17, "hi\n")
    request = engine.requests[1].json
    assert request["Cmd"] == ["ls", "-l"]
    assert (request["Env"], request["WorkingDir"]) == (["A=1"], "/w")
    assert engine.requests[2].headers["upgrade"] == "tcp"


def test_exec_detached(sampan, engine):
    engine.on("GET", "/containers/c1/json", {"Id": ID})
    engine.on("POST", "/containers/c1/exec", {"Id": "e1"}, 201)
    engine.on("POST", "/exec/e1/start")
    assert sampan("exec", "-d", "c1", "ls").status == 0
    assert engine.requests[-1].json == {"Detach": True, "Tty": False}


def test_logs_are_split_into_the_two_streams(sampan, engine):
    engine.on("GET", "/containers/c1/json", {"Id": ID, "Config": {"Tty": False}})
    engine.on("GET", f"/containers/{ID}/logs", frame(1, b"o\n") + frame(2, b"e\n"))
    outcome = sampan("logs", "--tail", "5", "-t", "c1")
    assert (outcome.out, outcome.err) == ("o\n", "e\n")
    assert engine.requests[1].query == {
        "stderr": "1", "stdout": "1", "tail": "5", "timestamps": "1",
    }  # fmt: skip


def test_an_error_inside_a_stream_ends_with_1(sampan, engine):
    engine.on("GET", "/containers/c1/json", {"Id": ID, "Config": {"Tty": False}})
    engine.on("GET", f"/containers/{ID}/logs", frame(3, b"disk failed"))
    outcome = sampan("logs", "c1")
    assert (outcome.status, outcome.err) == (1, "error from daemon in stream: disk failed\n")


def test_several_names_print_what_worked_and_fail_once(sampan, engine):
    engine.on("POST", "/containers/a/stop", status=204)
    engine.on("POST", "/containers/no/stop", {"message": "No such container: no"}, 404)
    engine.on("POST", "/containers/b/stop", status=304)
    outcome = sampan("stop", "-t", "3", "a", "no", "b")
    assert (outcome.status, outcome.out) == (1, "a\nb\n")
    assert outcome.err == "Error response from daemon: No such container: no\n"
    assert all(request.query == {"t": "3"} for request in engine.requests)


def test_forced_rm_of_nothing_is_no_failure(sampan, engine):
    engine.on("DELETE", "/containers/no", {"message": "No such container: no"}, 404)
    outcome = sampan("rm", "-f", "no")
    assert (outcome.status, outcome.err) == (
        0,
        "Error response from daemon: No such container: no\n",
    )
    assert sampan("rm", "no").status == 1


def test_start_names_those_that_failed(sampan, engine):
    engine.on("POST", "/containers/a/start", status=204)
    engine.on("POST", "/containers/no/start", {"message": "No such container: no"}, 404)
    outcome = sampan("start", "a", "no")
    assert (outcome.status, outcome.out) == (1, "a\n")
    assert outcome.err.endswith("Error: failed to start containers: no\n")


def test_wait_prints_statuses(sampan, engine):
    engine.on("POST", "/containers/a/wait", {"StatusCode": 12})
    assert sampan("wait", "a").out == "12\n"


def test_port(sampan, engine):
    ports = {
        "90/udp": [{"HostIp": "::", "HostPort": "90"}],
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}],
        "81/tcp": None,
    }
    engine.on("GET", "/containers/c/json", {"NetworkSettings": {"Ports": ports}})
    assert sampan("port", "c").out == "80/tcp -> 0.0.0.0:8080\n90/udp -> [::]:90\n"
    assert sampan("port", "c", "80").out == "0.0.0.0:8080\n"
    outcome = sampan("port", "c", "81")
    assert (outcome.status, outcome.err) == (1, "Error: No public port '81' published for c\n")


def test_diff_and_top(sampan, engine):
    engine.on(
        "GET", "/containers/c/changes", [{"Kind": 0, "Path": "/a"}, {"Kind": 2, "Path": "/b"}]
    )
    engine.on("GET", "/containers/c/top", {"Titles": ["PID", "CMD"], "Processes": [["1", "x"]]})
    assert sampan("diff", "c").out == "C /a\nD /b\n"
    outcome = sampan("top", "c", "-o", "pid,comm")
    assert outcome.out == "PID                 CMD\n1                   x\n"
    assert engine.requests[-1].query == {"ps_args": "-o pid,comm"}
