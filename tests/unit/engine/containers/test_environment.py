from sampan.engine.containers.environment import PATH, build
from sampan.wire.containers import ContainerConfig


def test_defaults_come_first_and_give_way():
    config = ContainerConfig(Hostname="h", Tty=True, Env=["A=b", "PATH=/own", "HOSTNAME"])
    found = build(config, links=["DB_NAME=/x/db"], home="/root")
    assert found == ("PATH=/own", "TERM=xterm", "DB_NAME=/x/db", "A=b", "HOME=/root")


def test_a_plain_container_has_dockers_three():
    found = build(ContainerConfig(Hostname="h"), links=(), home="/root")
    assert found == (f"PATH={PATH}", "HOSTNAME=h", "HOME=/root")


def test_an_own_home_stays():
    assert "HOME=/x" in build(ContainerConfig(Env=["HOME=/x"]), links=(), home="/root")
