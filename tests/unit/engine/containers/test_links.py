import pytest

from sampan.engine.containers.links import environment, hosts_entry, link_view, parse_link
from sampan.errors import InvalidArgument
from unit.engine.containers.samples import container


@pytest.mark.parametrize(
    ("text", "pair"),
    [("db", ("db", "db")), ("db1:db", ("db1", "db")), ("/db1:/web/db", ("db1", "db"))],
)
def test_links_have_several_spellings(text, pair):
    assert parse_link(text) == pair


def test_what_is_no_link_is_refused():
    with pytest.raises(InvalidArgument, match="bad format for links: a:b:c"):
        parse_link("a:b:c")


def test_the_whole_environment_and_a_block_per_port_are_copied():
    parent = container(name="web")
    target = container(name="db1", Env=["TOKEN=t", "PATH=/bin"])
    found = environment(
        parent, target, "my-db", address="172.17.0.2", ports=[(80, "tcp"), (81, "tcp"), (9, "udp")]
    )
    assert found[0] == "MY_DB_PORT=tcp://172.17.0.2:80"
    assert {
        "MY_DB_PORT_80_TCP_START=tcp://172.17.0.2:80",
        "MY_DB_PORT_80_TCP_PORT_END=81",
        "MY_DB_PORT_81_TCP_ADDR=172.17.0.2",
        "MY_DB_PORT_9_UDP=udp://172.17.0.2:9",
        "MY_DB_NAME=/web/my-db",
        "MY_DB_ENV_TOKEN=t",
    } <= set(found)
    assert not any("PATH" in entry for entry in found)


def test_an_alias_that_is_the_name_prints_once():
    target = container(name="db")
    assert hosts_entry(target, "db") == f"db {target.config.Hostname}"
    assert hosts_entry(target, "x") == f"x {target.config.Hostname} db"


def test_inspect_shows_the_long_form():
    assert link_view(container(name="web"), container(name="db1"), "db") == "/db1:/web/db"
