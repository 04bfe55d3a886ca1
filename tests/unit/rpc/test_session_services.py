"""What the engine borrows and what the client lends, against each other over a socket pair."""

import asyncio
from contextlib import suppress

import pytest

from sampan.client.buildkit.session import Offer, SessionServices
from sampan.engine.buildkit.lending import SessionAgents, SessionSecrets
from sampan.engine.buildkit.uploads import take_upload
from sampan.lib.workers import Workers
from unit.rpc.test_connection import played


def lent(offer, scenario):
    """`scenario(caller_of)` runs on the engine's side."""
    methods = SessionServices(offer).methods()

    async def play(calling, _):
        class Client:
            call = staticmethod(calling.call)

            def supports(self, method):
                return method in methods

        async def caller():
            return Client()

        return await scenario(caller)

    return played(methods, play)


def test_secrets_by_id():
    async def scenario(caller):
        secrets = SessionSecrets(caller)
        return await secrets.get("a"), await secrets.get("b")

    assert lent(Offer(secrets={"a": lambda: b"value"}), scenario) == (b"value", None)


def test_a_client_without_secrets_has_none():
    async def scenario(caller):
        return await SessionSecrets(caller).get("a")

    assert lent(Offer(), scenario) is None


def test_an_agent_speaks_through_both_sockets(tmp_path):
    """step -> engine's socket -> session -> client -> agent's socket, and back."""

    async def answer(reader, writer):
        writer.write(b"answer to " + await reader.read(100))
        writer.close()

    async def scenario(caller):
        with suppress(FileNotFoundError):
            (tmp_path / "agent").unlink()
        agent = await asyncio.start_unix_server(answer, tmp_path / "agent")
        agents = SessionAgents(caller, tmp_path)
        path = await agents.open("mine")
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"sign this")
        said = await reader.read()
        writer.close()
        other = await agents.open("mine")
        missing = await agents.open("theirs")
        await agents.aclose()
        agent.close()
        with pytest.raises(OSError):
            await asyncio.open_unix_connection(path)
        return said, other != path, missing

    offer = Offer(agents={"mine": str(tmp_path / "agent")})
    assert lent(offer, scenario) == (b"answer to sign this", True, None)


def test_an_upload(tmp_path):
    async def scenario(caller):
        workers = Workers()
        url = "http://buildkit-session/abc"
        await take_upload(await caller(), url, tmp_path / "got", workers)

    lent(Offer(uploads={"abc": lambda: [b"x" * 3_000_000, b"end"]}), scenario)
    assert (tmp_path / "got").read_bytes() == b"x" * 3_000_000 + b"end"
