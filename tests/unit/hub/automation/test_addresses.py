"""Where the hub may connect to: the matrix of addresses, names that change, redirects."""

import asyncio
import ipaddress

import pytest
from aiohttp import web

from sampan.hub.automation.addresses import AddressGuard, AddressRefused
from sampan.hub.automation.outgoing import BadTarget, Poster, check_url

REFUSED = [
    *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
    *("224.0.0.1", "240.0.0.1", "255.255.255.255", "198.18.0.1"),
    *("::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1"),
    *("64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a00:1::1"),
    "2001:0:4136:e378:8000:63bf:f5ff:fffe",  # Teredo whose client is 10.0.0.1
]
PERMITTED = ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("text", REFUSED)
def test_only_public_addresses(text):
    assert not AddressGuard().permits(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", PERMITTED)
def test_public_addresses(text):
    assert AddressGuard().permits(ipaddress.ip_address(text))


def test_an_allowed_network_opens_itself_only():
    guard = AddressGuard([ipaddress.ip_network("10.1.0.0/16")])
    assert guard.permits(ipaddress.ip_address("10.1.2.3"))
    assert guard.permits(ipaddress.ip_address("::ffff:10.1.2.3"))
    assert not guard.permits(ipaddress.ip_address("10.2.0.1"))
    assert not guard.permits(ipaddress.ip_address("127.0.0.1"))


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "[::1]", "localhost"])
def test_other_spellings_of_this_machine(host):
    with pytest.raises(AddressRefused):
        asyncio.run(AddressGuard().choose(host, 80))


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://h/x", "file:///etc/passwd", "http://", "https://u:p@h/", "http://h:99999/"),
        *("http://h/a b", "http://h/\nx", "gopher://h", "//h/x", "http://h:0/", "x" * 3000),
    ],
)
def test_urls_that_are_refused(url):
    with pytest.raises(BadTarget):
        check_url(url)


class Receiver:
    """Answers with `status`; keeps what it got."""

    def __init__(self, host, status=204, headers=None, body=b""):
        self.host, self.got = host, []
        self.answer = (status, headers or {}, body)

    async def __aenter__(self):
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    async def _take(self, request):
        self.got.append((request.headers, await request.read()))
        status, headers, body = self.answer
        return web.Response(status=status, headers=headers, body=body)


def allowing(*texts, resolve=None):
    networks = [ipaddress.ip_network(text) for text in texts]
    return AddressGuard(networks, resolve=resolve) if resolve else AddressGuard(networks)


def post(poster, url):
    return poster.post(url, b"{}", {"X-Hub-Event": "push"})


def test_the_connection_goes_to_the_address_that_was_checked():
    """The name answers with an allowed address first and with a forbidden one ever after."""

    async def run():
        asked = []

        async def rebinding(host, port):
            asked.append(host)
            return ["127.0.0.2"] if len(asked) == 1 else ["127.0.0.1"]

        async with Receiver("127.0.0.2") as good:
            poster = Poster(allowing("127.0.0.2/32", resolve=rebinding))
            url = f"http://hooks.example:{good.port}/x"
            first, second = await post(poster, url), await post(poster, url)
        assert (first.status, second.status) == (204, 0)
        assert "isn't a public address" in second.error
        assert [got[0]["Host"] for got in good.got] == [f"hooks.example:{good.port}"]
        assert asked == ["hooks.example", "hooks.example"], "once for each connection"

    asyncio.run(run())


def test_a_name_with_good_and_bad_addresses_reaches_the_good_one_only():
    async def run():
        async def both(host, port):
            return ["127.0.0.1", "127.0.0.2"]

        guard = allowing("127.0.0.2/32", resolve=both)
        assert await guard.choose("h", 80) == "127.0.0.2"

    asyncio.run(run())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_lead_nowhere_else(status):
    async def run():
        async with Receiver("127.0.0.1") as inner:
            to = {"Location": f"http://127.0.0.1:{inner.port}/secret"}
            async with Receiver("127.0.0.2", status, to) as outer:
                poster = Poster(allowing("127.0.0.2/32"))
                outcome = await post(poster, f"http://127.0.0.2:{outer.port}/")
        assert not inner.got
        assert not outcome.succeeded

    asyncio.run(run())


def test_a_redirect_within_the_host_is_checked_again():
    async def run():
        asked = []

        async def rebinding(host, port):
            asked.append(host)
            return ["127.0.0.2" if len(asked) == 1 else "127.0.0.1"]

        async with Receiver("127.0.0.2", 307, {"Location": "/there"}) as outer:
            poster = Poster(allowing("127.0.0.2/32", resolve=rebinding))
            outcome = await post(poster, f"http://h.example:{outer.port}/")
        assert "isn't a public address" in outcome.error
        assert len(outer.got) == 1

    asyncio.run(run())


def test_a_redirect_that_goes_round_ends():
    async def run():
        async with Receiver("127.0.0.2", 308, {"Location": "/again"}) as outer:
            poster = Poster(allowing("127.0.0.2/32"))
            outcome = await post(poster, f"http://127.0.0.2:{outer.port}/")
        assert outcome.error == "too many redirects"
        assert len(outer.got) == 3

    asyncio.run(run())


def test_answers_are_bounded_in_size_and_time():
    async def run():
        async with Receiver("127.0.0.2", 500, body=b"x" * 10_000_000) as outer:
            poster = Poster(allowing("127.0.0.2/32"))
            outcome = await post(poster, f"http://127.0.0.2:{outer.port}/")
        assert (outcome.status, len(outcome.response)) == (500, 2048)

        gone = asyncio.Event()

        async def never(reader, writer):
            await reader.read()
            writer.close()
            await writer.wait_closed()
            gone.set()

        server = await asyncio.start_server(never, "127.0.0.2", 0)
        port = server.sockets[0].getsockname()[1]
        poster = Poster(allowing("127.0.0.2/32"), limit_s=0.2)
        outcome = await post(poster, f"http://127.0.0.2:{port}/")
        await gone.wait()
        server.close()
        assert outcome.error == "no answer within 0.2 s"

    asyncio.run(run())


def test_certificates_are_checked_for_the_name(tmp_path):
    import ssl

    import trustme

    async def run():
        authority = trustme.CA()
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("hooks.example").configure_cert(server)
        trust = ssl.create_default_context()
        authority.configure_trust(trust)

        async def ok(request):
            return web.Response(status=202)

        async def resolve(host, port):
            return ["127.0.0.2"]

        application = web.Application()
        application.router.add_post("/", ok)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.2", 0, ssl_context=server).start()
        port = runner.addresses[0][1]
        guard = allowing("127.0.0.2/32", resolve=resolve)
        good = await post(Poster(guard, trust=trust), f"https://hooks.example:{port}/")
        other = await post(Poster(guard, trust=trust), f"https://other.example:{port}/")
        untrusted = await post(Poster(guard), f"https://hooks.example:{port}/")
        await runner.cleanup()
        assert good.status == 202
        assert "certificate" in other.error
        assert "certificate" in untrusted.error

    asyncio.run(run())
