from dataclasses import replace

from sampan.engine.containers import record
from sampan.engine.containers.record import (
    Attachment,
    Health,
    HealthResult,
    Link,
    MountPoint,
    State,
)
from sampan.network.model import Endpoint, PublishedPort
from sampan.wire.containers import EndpointSettings, HostSettings, PortBinding
from unit.engine.containers.samples import container

ENDPOINT = Endpoint("e1", "n1", "bridge", interface="eth0", ipv4="172.17.0.2", prefix=16)


def full():
    host = HostSettings(PortBindings={"80/tcp": [PortBinding(HostPort="8080")]}, AutoRemove=True)
    return replace(
        container(host=host, Labels={"a": "b"}, Env=["X=1"]),
        state=State(
            pid=7, started_ns=5, health=Health("healthy", 0, (HealthResult(1, 2, 0, "ok"),))
        ),
        mounts=(MountPoint("tmpfs", "/t", options=("size=1",)),),
        networks={"bridge": Attachment("n1", EndpointSettings(Aliases=["a"]), ENDPOINT)},
        ports=(PublishedPort("tcp", 80, "0.0.0.0", 8080),),
        links=(Link(container().id, "db"),),
    )


def test_a_record_comes_back_from_its_document():
    before = full()
    assert record.decode(record.encode(before)) == before


def test_the_status_follows_from_the_facts():
    assert State().status == "created"
    assert State(started_ns=1).status == "exited"
    assert State(started_ns=1, pid=2).status == "running"
    assert State(started_ns=1, pid=2, paused=True).status == "paused"
    assert State(started_ns=1, restarting=True).status == "restarting"
    assert State(removing=True).status == "removing"
    assert State(dead=True).status == "dead"


def test_an_end_takes_the_networks_down_and_counts_restarts():
    after = record.exited(full(), exit_code=3, now_ns=9, oom_killed=False, restarting=True)
    assert (after.state.pid, after.state.exit_code, after.state.finished_ns) == (0, 3, 9)
    assert after.networks["bridge"].endpoint is None
    assert after.networks["bridge"].asked == EndpointSettings(Aliases=["a"])
    assert (after.ports, after.sandbox, after.restart_count) == ((), "", 1)


def test_a_failed_start_keeps_the_status():
    after = record.start_failed(container(), error="no", exit_code=127)
    assert (after.state.status, after.state.error, after.state.exit_code) == ("created", "no", 127)


def test_a_new_run_forgets_the_last_one_s_facts():
    before = full()
    before = replace(
        before, state=replace(before.state, error="x", exit_code=3, manually_stopped=True)
    )
    after = record.started(
        before,
        pid=8,
        now_ns=11,
        config=before.config,
        networks={},
        ports=(),
        sandbox="",
        health=None,
        restart_count=2,
        by_user=True,
    )
    assert after.state == State(pid=8, started_ns=11)
    assert after.restart_count == 2


def test_a_stop_asked_for_during_a_policy_s_start_stays():
    before = record.stop_asked(container())
    facts = {
        "pid": 8,
        "now_ns": 1,
        "config": before.config,
        "networks": {},
        "ports": (),
        "sandbox": "",
        "health": None,
        "restart_count": 1,
    }
    assert record.started(before, **facts, by_user=False).state.manually_stopped
    assert not record.started(before, **facts, by_user=True).state.manually_stopped


def test_every_label_is_an_event_attribute():
    found = record.event_attributes(full(), exitCode="0")
    assert found == {"a": "b", "image": "busybox", "name": "box", "exitCode": "0"}
