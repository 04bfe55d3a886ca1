"""The classic builder's query as a BuildKit request."""

import json

import pytest

from sampan.engine.buildkit.legacy import solve_request
from sampan.engine.buildkit.options import parse_options
from sampan.engine.buildkit.uploads import POSTED_URL
from sampan.errors import InvalidArgument

REMOTE = {"version": ["2"], "remote": ["client-session"], "session": ["s"], "buildid": ["b"]}


def test_the_query_becomes_attributes():
    request = solve_request(
        {
            **REMOTE,
            "dockerfile": ["D"],
            "t": ["a", "b:c"],
            "nocache": ["1"],
            "pull": ["1"],
            "extrahosts": ["h:1.2.3.4"],
            "buildargs": [json.dumps({"A": "1", "unset": None})],
            "labels": [json.dumps({"l": "v"})],
        }
    )
    assert (request.Ref, request.Session) == ("b", "s")
    assert request.Exporters[0].Type == "moby"
    assert request.Exporters[0].Attrs["name"] == (
        "docker.io/library/a:latest,docker.io/library/b:c"
    )
    options = parse_options(request.Frontend, request.FrontendAttrs)
    assert options.filename == "D"
    assert options.build_args == {"A": "1"}
    assert options.labels == {"l": "v"}
    assert options.pull
    assert not options.use_cache
    assert options.host.ExtraHosts == ["h:1.2.3.4"]


def test_outputs_are_exporters():
    outputs = json.dumps([{"Type": "local", "Attrs": None}])
    assert solve_request({**REMOTE, "outputs": [outputs]}).Exporters[0].Type == "local"
    with pytest.raises(InvalidArgument):
        solve_request({**REMOTE, "outputs": ["{"]})


def test_where_the_context_is():
    posted = {"version": ["2"], "remote": ["upload-request"], "buildid": ["b1"]}
    assert solve_request(posted).FrontendAttrs["context"] == f"{POSTED_URL}b1"
    url = {"version": ["2"], "remote": ["https://host/repo.git"]}
    assert solve_request(url).FrontendAttrs["context"] == "https://host/repo.git"
    assert "context" not in solve_request(REMOTE).FrontendAttrs
