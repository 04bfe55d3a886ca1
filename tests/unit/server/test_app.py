"""Dispatch, version negotiation, headers and errors, over a real socket."""

import json

from sampan.daemon.swarm_refusals import NotInSwarm, NotManager
from sampan.errors import Conflict, NotModified
from sampan.server.routers.plugins import PluginsRouter
from sampan.server.routers.services import ServicesRouter
from sampan.server.routers.swarm import SwarmRouter
from sampan.server.routers.swarm_files import SwarmFilesRouter
from sampan.server.routers.unbuilt import unbuilt
from sampan.server.routes import Route, RouteTable
from sampan.wire.versions import ApiVersion


async def hello(call):
    return call.reply({"version": str(call.version), **call.params})


async def taken(call):
    raise Conflict("name is taken")


async def nothing(call):
    raise NotModified("already running")


async def broken(call):
    raise KeyError("oops")


async def echo(call):
    return call.reply(await call.body(dict[str, int]))


ROUTES = [
    Route("GET", "/hello", hello),
    Route("GET", "/images/{name:.*}/json", hello),
    Route("GET", "/images/json", hello),
    Route("GET", "/new", hello, ApiVersion(1, 41)),
    Route("POST", "/taken", taken),
    Route("POST", "/nothing", nothing),
    Route("GET", "/broken", broken),
    Route("POST", "/echo", echo),
]


def message(answer):
    assert answer.headers["Content-Type"] == "application/json"
    return json.loads(answer.body)["message"]


def test_every_response_carries_the_engine_headers(served):
    async def scenario(client):
        for path in ("/hello", "/nosuch", "/v1.99/hello", "/broken"):
            answer = await client.ask(f"GET {path}")
            assert answer.headers["Api-Version"] == "1.51"
            assert answer.headers["Ostype"] == "linux"
            assert answer.headers["Docker-Experimental"] == "false"
            assert answer.headers["Server"].startswith("Docker/")
            assert answer.headers["Server"].endswith(" (linux)")

    served(ROUTES, scenario)


def test_path_prefix_chooses_the_version(served):
    async def scenario(client):
        assert json.loads((await client.ask("GET /v1.30/hello")).body) == {"version": "1.30"}
        assert json.loads((await client.ask("GET /hello")).body) == {"version": "1.51"}

    served(ROUTES, scenario)


def test_versions_outside_the_range_are_refused_with_dockers_texts(served):
    async def scenario(client):
        old = await client.ask("GET /v1.12/hello")
        assert old.status == 400
        assert message(old) == (
            "client version 1.12 is too old. Minimum supported API version is 1.24, "
            "please upgrade your client to a newer version"
        )
        new = await client.ask("GET /v1.99/hello")
        assert new.status == 400
        assert message(new) == (
            "client version 1.99 is too new. Maximum supported API version is 1.51"
        )

    served(ROUTES, scenario)


def test_image_names_with_slashes_and_colons_reach_the_handler(served):
    async def scenario(client):
        answer = await client.ask("GET /v1.41/images/reg.example:5000/ns/im:1/json")
        assert json.loads(answer.body)["name"] == "reg.example:5000/ns/im:1"
        assert "name" not in json.loads((await client.ask("GET /images/json")).body)

    served(ROUTES, scenario)


def test_a_greedy_route_takes_what_no_narrower_one_wants():
    async def handler(call):
        raise NotImplementedError

    greedy = Route("DELETE", "/containers/{id:.*}", handler)
    narrow = Route("DELETE", "/containers/{id}/checkpoints/{name}", handler)
    table = RouteTable([greedy, narrow])
    version = ApiVersion(1, 51)
    assert table.find("DELETE", "/containers/a/checkpoints/b", version)[0] is narrow
    assert table.find("DELETE", "/containers/a/b", version) == (greedy, {"id": "a/b"})


def test_route_newer_than_the_version_asked_is_not_found(served):
    async def scenario(client):
        assert (await client.ask("GET /v1.41/new")).status == 200
        assert (await client.ask("GET /v1.40/new")).status == 404

    served(ROUTES, scenario)


def test_unknown_route_says_page_not_found(served):
    async def scenario(client):
        for head in ("GET /nosuch", "POST /hello", "GET /"):
            answer = await client.ask(head)
            assert answer.status == 404
            assert message(answer) == "page not found"

    served(ROUTES, scenario)


def test_kinds_of_errors_become_statuses(served):
    async def scenario(client):
        conflict = await client.ask("POST /taken")
        assert (conflict.status, message(conflict)) == (409, "name is taken")
        unchanged = await client.ask("POST /nothing")
        assert (unchanged.status, unchanged.body) == (304, b"")
        assert (await client.ask("GET /broken")).status == 500

    served(ROUTES, scenario)


def test_body_needs_json_content_type(served):
    async def scenario(client):
        good = await client.ask("POST /echo", b'{"a":1}', Content_Type="application/json")
        assert good.body == b'{"a":1}\n'
        bad = await client.ask("POST /echo", b"a=1", Content_Type="text/plain")
        assert bad.status == 400
        assert message(bad) == (
            "unsupported Content-Type header (text/plain): must be 'application/json'"
        )
        empty = await client.ask("POST /echo", Content_Type="application/json")
        assert message(empty) == "invalid JSON: got EOF while reading request body"
        broken = await client.ask("POST /echo", b"{", Content_Type="application/json")
        assert broken.status == 400

    served(ROUTES, scenario)


def test_options_is_answered_everywhere(served):
    async def scenario(client):
        assert (await client.ask("OPTIONS /anything")).status == 200

    served(ROUTES, scenario)


def test_double_slashes_are_redirected(served):
    async def scenario(client):
        answer = await client.ask("GET /containers//json?a=1")
        assert answer.status == 301
        assert answer.headers["Location"] == "/containers/json?a=1"

    served(ROUTES, scenario)


def test_client_that_waits_for_100_continue_gets_it(served):
    async def scenario(client):
        reader, writer = await client.connect()
        writer.write(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 7\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b'{"a":2}')
        assert (await reader.read()).endswith(b'{"a":2}\n')
        writer.close()
        await writer.wait_closed()

    served(ROUTES, scenario)


def test_endpoint_that_is_not_built_says_its_name(served):
    async def scenario(client):
        answer = await client.ask("POST /v1.50/plugins/pull?remote=x")
        assert answer.status == 501
        assert message(answer) == (
            "POST /plugins/pull is not supported by this engine (it has no managed plugins)"
        )
        other = await client.ask("GET /images/reg/ns/x:1/get")
        assert message(other) == "GET /images/{name}/get is not supported by this engine"

    served([*ROUTES, *unbuilt(ROUTES)], scenario)


def test_built_endpoints_are_not_shadowed_by_refusals():
    route = Route("GET", "/volumes/{anything}", hello)
    templates = {(r.method, r.template) for r in unbuilt([route])}
    assert ("GET", "/volumes/{name:.*}") not in templates
    assert ("DELETE", "/volumes/{name:.*}") in templates


class Outside:
    """A node in no swarm."""

    @property
    def control(self):
        raise NotManager

    async def leave(self, *, force):
        raise NotInSwarm


def test_engine_outside_a_swarm_answers_as_dockerd(served):
    async def scenario(client):
        for head in ("GET /nodes", "GET /services", "DELETE /services/x", "GET /secrets"):
            answer = await client.ask(head)
            assert answer.status == 503
            assert message(answer) == (
                'This node is not a swarm manager. Use "docker swarm init" or '
                '"docker swarm join" to connect this node to swarm and try again.'
            )
        leave = await client.ask("POST /swarm/leave")
        assert (leave.status, message(leave)) == (503, "This node is not part of a swarm")
        assert (await client.ask("GET /plugins")).body == b"[]\n"
        plugin = await client.ask("GET /plugins/ns/x:1/json")
        assert (plugin.status, message(plugin)) == (404, 'plugin "ns/x:1" not found')

    outside = Outside()
    routers = (
        SwarmRouter(swarm=outside),
        ServicesRouter(swarm=outside),
        SwarmFilesRouter(swarm=outside),
        PluginsRouter(),
    )
    served([route for router in routers for route in router.routes()], scenario)
