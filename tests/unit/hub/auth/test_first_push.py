"""What a first push makes is private where its owner wants that, whichever request comes first."""

import json

from sampan.hub.accounts import users
from unit.hub.running import INDEX
from unit.hub.whole import Tool


def test_an_index_of_nothing_is_private_too(harbour):
    def choose(connection):
        bob = users.get(connection, "bob")
        users.set_profile(connection, bob.id, full_name="", email="", private_by_default=True)

    harbour.database.write_now(choose)
    header = harbour.token("repository:bob/first:pull,push", who="bob")
    body = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
    path = "/v2/bob/first/manifests/latest"
    assert harbour.call("PUT", path, body, Authorization=header, Content_Type=INDEX).status == 201
    assert Tool(harbour, "bob").call("GET", "/v2/repositories/bob/first").json["is_private"]
    assert Tool(harbour).call("GET", "/v2/repositories/bob/first").status == 404


def test_a_number_of_too_many_digits_is_refused(harbour):
    assert harbour.call("GET", "/v1/search?q=x&n=" + "9" * 5000).status == 400


def test_failures_of_the_database_name_no_values(harbour):
    assert harbour.database._engine.hide_parameters
