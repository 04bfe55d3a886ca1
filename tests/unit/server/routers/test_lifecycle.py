"""Container verbs: what reaches the engine, and what the wire shows."""

import asyncio
import json
from dataclasses import dataclass

import pytest

from sampan.errors import NotFound
from sampan.server.routers.lifecycle import LifecycleRouter


@dataclass
class Outcome:
    exit_code: int
    error: str = ""


class Ticket:
    def __init__(self):
        self.done = asyncio.Event()
        self.outcome = Outcome(0)
        self.given_up = asyncio.Event()

    async def result(self):
        await self.done.wait()
        return self.outcome

    def cancel(self):
        self.given_up.set()


@dataclass
class Created:
    id: str
    warnings: list


class Engine:
    """Stands for all backends; notes what it was asked."""

    def __init__(self):
        self.asked = []
        self.ticket = None

    async def create(self, request, *, name=None, platform=None):
        self.asked.append(("create", request.Image, name, platform))
        return Created("c" * 64, ["careful"])

    async def start(self, text):
        self.asked.append(("start", text))

    async def stop(self, text, timeout_s=None, signal_name=None):
        self.asked.append(("stop", text, timeout_s, signal_name))

    async def restart(self, text, timeout_s=None, signal_name=None):
        self.asked.append(("restart", text, timeout_s, signal_name))

    async def kill(self, text, signal_name=""):
        self.asked.append(("kill", text, signal_name))

    async def remove(self, text, *, force=False, volumes=False, link=False):
        self.asked.append(("remove", text, force, volumes, link))

    async def prune(self, filters):
        return ["a"], 7

    async def update(self, text, request):
        self.asked.append(("update", text, request.Memory, request.RestartPolicy.Name))
        return []

    async def rename(self, text, name):
        self.asked.append(("rename", text, name))

    def register(self, text, condition=""):
        if text == "nosuch":
            raise NotFound("No such container: nosuch")
        self.asked.append(("wait", text, condition))
        self.ticket = Ticket()
        return self.ticket


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def routes(engine):
    names = ("creator", "starter", "stopper", "pauser", "remover", "waiter", "renamer", "updater")
    return LifecycleRouter(**dict.fromkeys(names, engine)).routes()


def test_create_passes_name_and_platform_and_answers_201(served, routes, engine):
    async def scenario(client):
        answer = await client.ask(
            "POST /containers/create?name=web&platform=linux/amd64",
            b'{"Image":"busybox","Unknown":1}',
            Content_Type="application/json",
        )
        assert answer.status == 201
        assert json.loads(answer.body) == {"Id": "c" * 64, "Warnings": ["careful"]}

    served(routes, scenario)
    assert engine.asked == [("create", "busybox", "web", "linux/amd64")]


def test_create_with_null_is_refused(served, routes):
    async def scenario(client):
        answer = await client.ask(
            "POST /containers/create", b"null", Content_Type="application/json"
        )
        assert answer.status == 400
        assert b"config cannot be empty" in answer.body

    served(routes, scenario)


def test_verbs_pass_their_parameters(served, routes, engine):
    async def scenario(client):
        assert (await client.ask("POST /containers/x/start")).status == 204
        assert (await client.ask("POST /containers/x/stop?t=3&signal=INT")).status == 204
        await client.ask("POST /v1.41/containers/x/stop?signal=INT")
        await client.ask("POST /containers/x/restart")
        await client.ask("POST /containers/x/kill?signal=HUP")
        await client.ask("POST /containers/x/rename?name=y")
        await client.ask("DELETE /containers/x?force=1&v=true")
        await client.ask("DELETE /containers/x/alias?link=1")
        bad = await client.ask("POST /containers/x/stop?t=abc")
        assert bad.status == 400

    served(routes, scenario)
    assert engine.asked == [
        ("start", "x"),
        ("stop", "x", 3, "INT"),
        ("stop", "x", None, None),
        ("restart", "x", None, None),
        ("kill", "x", "HUP"),
        ("rename", "x", "y"),
        ("remove", "x", True, True, False),
        ("remove", "x/alias", False, False, True),
    ]


def test_update_and_prune_answer_in_dockers_shape(served, routes, engine):
    async def scenario(client):
        answer = await client.ask(
            "POST /containers/x/update",
            b'{"Memory":5,"RestartPolicy":{"Name":"always"}}',
            Content_Type="application/json",
        )
        assert json.loads(answer.body) == {"Warnings": None}
        pruned = await client.ask("POST /containers/prune")
        assert json.loads(pruned.body) == {"ContainersDeleted": ["a"], "SpaceReclaimed": 7}

    served(routes, scenario)
    assert engine.asked == [("update", "x", 5, "always")]


async def ask_wait(client, path):
    reader, writer = await client.connect()
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    return reader, writer


def test_wait_sends_its_headers_before_the_container_ends(served, routes, engine):
    async def scenario(client):
        reader, writer = await ask_wait(client, "/containers/x/wait?condition=next-exit")
        async with asyncio.timeout(3):
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert b"Content-Type: application/json\r\n" in head
        engine.ticket.outcome = Outcome(137)
        engine.ticket.done.set()
        assert b'{"StatusCode":137}\n' in await reader.read()
        writer.close()
        await writer.wait_closed()

    served(routes, scenario)
    assert engine.asked == [("wait", "x", "next-exit")]


def test_wait_of_an_old_client_has_no_condition(served, routes, engine):
    async def scenario(client):
        reader, writer = await ask_wait(client, "/v1.29/containers/x/wait?condition=removed")
        await reader.readuntil(b"\r\n\r\n")
        engine.ticket.done.set()
        await reader.read()
        writer.close()
        await writer.wait_closed()

    served(routes, scenario)
    assert engine.asked == [("wait", "x", "")]


def test_wait_for_an_unknown_container_is_a_404(served, routes):
    async def scenario(client):
        assert (await client.ask("POST /containers/nosuch/wait")).status == 404

    served(routes, scenario)


def test_waiter_is_given_up_when_its_client_leaves(served, routes, engine):
    async def scenario(client):
        reader, writer = await ask_wait(client, "/containers/x/wait")
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()
        async with asyncio.timeout(3):
            await engine.ticket.given_up.wait()

    served(routes, scenario)
