import base64

import pytest

from sampan.daemon.task_payloads import PayloadMissing, payloads
from sampan.errors import InvalidArgument
from sampan.swarm.agent.dependencies import Dependencies
from sampan.swarm.agent.templates import Expander
from sampan.swarm.messages import Assigned
from sampan.swarm.model import Config, Node, Secret, Task
from sampan.wire.services import (
    ConfigReference,
    DriverConfig,
    FileTarget,
    SecretReference,
    ServiceContainer,
    TaskSpec,
)
from sampan.wire.swarm import ConfigSpec, NodeSpec, SecretSpec


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def found(
    *, secret: bytes = b"", config: bytes = b"", templating: str = "", file: FileTarget, known=True
):
    """The payloads of a task that has a secret `s` and a config at `file`."""
    template = DriverConfig(Name=templating) if templating else None
    container = ServiceContainer(
        Image="x",
        Env=["A={{.Task.Slot}}"],
        Secrets=[SecretReference(File=FileTarget(Name="s"), SecretID="s1", SecretName="s")],
        Configs=[ConfigReference(File=file, ConfigID="c1", ConfigName="c")],
    )
    task = Task(id="t1", spec=TaskSpec(ContainerSpec=container), service_name="web", slot=3)
    dependencies = Dependencies()
    spec = ConfigSpec(Name="c", Data=encoded(config), Templating=template)
    if known:
        dependencies.apply(
            Assigned(
                revision=1,
                complete=True,
                secrets=(Secret(id="s1", spec=SecretSpec(Name="s", Data=encoded(secret))),),
                configs=(Config(id="c1", spec=spec),),
            )
        )
    return payloads(task, dependencies, Expander(task, Node(id="n1", spec=NodeSpec())))


def test_targets_owners_and_modes():
    file = FileTarget(Name="/etc/a.conf", UID="5", GID="6", Mode=0o440)
    secret, config = found(secret=b"\x00\xff", config=b"text", file=file)
    assert (secret.target, secret.content, secret.mode) == ("/run/secrets/s", b"\x00\xff", 0o444)
    assert (config.target, config.uid, config.gid, config.mode) == ("/etc/a.conf", 5, 6, 0o440)
    assert found(file=FileTarget(Name="b.conf"))[1].target == "/b.conf"


def test_templates_are_expanded_where_that_is_asked_for():
    text = b'{{.Service.Name}} {{env "A"}} {{secret "s"}} \xff'
    file = FileTarget(Name="a")
    assert found(config=text, file=file)[1].content == text
    made = found(config=text, secret=b"geheim", templating="golang", file=file)
    assert made[1].content == b"web 3 geheim \xff"


def test_what_cannot_be_read_is_refused():
    with pytest.raises(InvalidArgument, match="unrecognized template type: lua"):
        found(templating="lua", file=FileTarget(Name="a"))
    with pytest.raises(InvalidArgument, match="isn't a number"):
        found(file=FileTarget(Name="a", UID="root"))


def test_what_has_not_come_yet_is_waited_for():
    with pytest.raises(PayloadMissing):
        found(file=FileTarget(Name="a"), known=False)
