"""What counts as etcd's no, and what as silence; against a server that answers as told."""

import asyncio

import pytest
from aiohttp import web

from sampan.swarm.etcd.client import EtcdClient, EtcdRefused, EtcdSilent, range_end


def ask(answer, *, status=200, stream=False):
    """What a client makes of `answer`."""

    async def main():
        async def handle(request):
            return web.Response(body=answer, status=status)

        app = web.Application()
        app.router.add_post("/v3/x", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        client = EtcdClient([f"http://127.0.0.1:{port}"])
        try:
            if not stream:
                return await client.call("/v3/x")
            async with client.stream("/v3/x", {}) as answers:
                return [one async for one in answers]
        finally:
            await client.close()
            await runner.cleanup()

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("code", "failure"),
    [(3, EtcdRefused), (5, EtcdRefused), (9, EtcdRefused), (2, EtcdSilent), (13, EtcdSilent)],
)
def test_only_etcds_own_no_is_a_refusal(code, failure):
    with pytest.raises(failure, match="why"):
        ask(b'{"error": "why", "message": "why", "code": %d}' % code, status=500)


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]"])
def test_what_isnt_understood_is_silence(answer):
    with pytest.raises(EtcdSilent):
        ask(answer)


def test_a_stream_is_one_result_a_line():
    assert ask(b'{"result": {"a": 1}}\n{"result": {"a": 2}}\n', stream=True) == [{"a": 1}, {"a": 2}]
    with pytest.raises(EtcdSilent, match="gone"):
        ask(b'{"result": {}}\n{"error": {"grpc_code": 14, "message": "gone"}}\n', stream=True)


def test_nobody_there_is_silence():
    async def main():
        client = EtcdClient(["http://127.0.0.1:1", "http://127.0.0.1:2"])
        try:
            for _ in range(3):
                with pytest.raises(EtcdSilent):
                    await client.call("/v3/x")
        finally:
            await client.close()

    asyncio.run(main())


def test_the_end_of_a_prefix():
    assert range_end("/sampan/v1/") == "/sampan/v10"
