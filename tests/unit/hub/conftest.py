"""One whole hub for a file of tests: alice, bob, eve, an administrator, an organisation."""

import pytest

from sampan.hub.accounts import organisations, teams, users
from sampan.hub.accounts.permissions import OrgRole
from unit.hub.whole import WholeHub


@pytest.fixture(scope="module")
def harbour(tmp_path_factory):
    with WholeHub(tmp_path_factory.mktemp("hub")) as hub:
        hub.user("root-admin", admin=True)
        for name in ("alice", "bob", "eve", "edith", "max"):
            hub.user(name)
        hub.database.write_now(_organise)
        yield hub


def _organise(connection):
    alice = users.get(connection, "alice")
    made = organisations.create(connection, "yard", owner=alice)
    for name, role in (("edith", OrgRole.EDITOR), ("max", OrgRole.MEMBER)):
        organisations.set_member(connection, made, users.get(connection, name), role)
    crew = teams.create(connection, made, "crew")
    teams.add_member(connection, made, crew, users.get(connection, "max"))
