import asyncio

import pytest
from aiohttp import web
from registry_double import RegistryDouble

from sampan.errors import InvalidArgument
from sampan.registry.auth import Authorizer, Challenge, parse_challenges
from sampan.registry.failures import ErrorAnswer, NoBasicCredentials
from sampan.registry.keychain import ANONYMOUS, Credentials
from sampan.registry.settings import RegistrySettings
from sampan.registry.transport import Transport

REQUEST = ("GET", "http://reg/v2/x")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            'Bearer realm="https://a/token",service="s",scope="repository:a/b:pull,push"',
            [("bearer", {"realm": "https://a/token", "service": "s",
                         "scope": "repository:a/b:pull,push"})],
        ),
        ("Basic realm=r", [("basic", {"realm": "r"})]),
        (
            'Basic realm="x", Bearer realm="y"',
            [("basic", {"realm": "x"}), ("bearer", {"realm": "y"})],
        ),
        (r'Basic realm="a \"quoted\" one"', [("basic", {"realm": 'a "quoted" one'})]),
        ("", []),
        ("!!!", []),
    ],
)  # fmt: skip
def test_challenges_are_parsed(header, expected):
    found = parse_challenges([header])
    assert [(c.scheme, dict(c.parameters)) for c in found] == expected


def with_token_server(answer, use):
    """Run `use(authorizer, challenge, server, clock)` against a token server."""

    async def main():
        now = [1000.0]
        async with RegistryDouble(answer) as server:
            transport = Transport(RegistrySettings())
            authorizer = Authorizer(transport, clock=lambda: now[0])
            challenge = Challenge("bearer", {"realm": f"{server.base}/token", "service": "s"})
            try:
                await use(authorizer, challenge, server, now)
            finally:
                await transport.close()

    asyncio.run(main())


async def numbered(request):
    numbered.count = getattr(numbered, "count", 0) + 1
    return web.json_response({"token": f"t{numbered.count}", "expires_in": 120})


def test_token_is_kept_until_it_expires_and_shared_by_concurrent_requests():
    numbered.count = 0

    async def use(authorizer, challenge, server, now):
        async def header(**more):
            return await authorizer.header(
                [challenge],
                scopes=["repository:a:pull"],
                credentials=ANONYMOUS,
                request=REQUEST,
                **more,
            )

        found = await asyncio.gather(*(header() for _ in range(5)))
        assert set(found) == {"Bearer t1"}
        assert len(server.requests) == 1
        assert await header(fresh=True) == "Bearer t2"
        now[0] += 200
        assert await header() == "Bearer t3"

    with_token_server(numbered, use)


def test_tokens_of_different_credentials_arent_mixed():
    numbered.count = 0

    async def use(authorizer, challenge, server, now):
        found = [
            await authorizer.header(
                [challenge], scopes=["s"], credentials=credentials, request=REQUEST
            )
            for credentials in (ANONYMOUS, Credentials("me", "x"), Credentials("me", "y"))
        ]
        assert len(set(found)) == 3
        assert server.requests[0][2] is None
        assert server.requests[1][2].startswith("Basic ")

    with_token_server(numbered, use)


def test_identity_token_is_exchanged_by_post():
    async def answer(request):
        form = await request.post()
        assert form["grant_type"] == "refresh_token"
        assert form["refresh_token"] == "idt"
        return web.json_response({"access_token": "fine"})

    async def use(authorizer, challenge, server, now):
        credentials = Credentials("<token>", "", "idt")
        found = await authorizer.header(
            [challenge], scopes=["s"], credentials=credentials, request=REQUEST
        )
        assert found == "Bearer fine"
        assert server.requests[0][0] == "POST"

    with_token_server(answer, use)


def test_refused_and_unreadable_tokens_are_errors():
    async def answer(request):
        if request.query.get("account"):
            return web.json_response({"details": "incorrect username or password"}, status=401)
        return web.Response(text="not json")

    async def use(authorizer, challenge, server, now):
        with pytest.raises(ErrorAnswer, match="incorrect username or password"):
            await authorizer.fetch_token(challenge, [], Credentials("me", "x"))
        with pytest.raises(ErrorAnswer, match="unable to decode token response"):
            await authorizer.fetch_token(challenge, [], ANONYMOUS)

    with_token_server(answer, use)


def test_basic_without_credentials_says_so():
    async def use(authorizer, challenge, server, now):
        with pytest.raises(
            NoBasicCredentials, match='"http://reg/v2/x": no basic auth credentials'
        ):
            await authorizer.header(
                [Challenge("basic")], scopes=[], credentials=ANONYMOUS, request=REQUEST
            )

    with_token_server(numbered, use)


def test_credentials_are_not_sent_in_the_open():
    async def main():
        transport = Transport(RegistrySettings())
        challenge = Challenge("bearer", {"realm": "http://token.example/t", "service": "s"})
        try:
            for credentials in (Credentials("me", "secret"), Credentials(identity_token="t")):
                with pytest.raises(ErrorAnswer, match="isn't encrypted"):
                    await Authorizer(transport).fetch_token(challenge, ["x"], credentials)
        finally:
            await transport.close()

    asyncio.run(main())


def test_an_endless_token_is_not_read_whole():
    async def endless(request):
        return web.Response(body=b" " * (3 << 20))

    async def use(authorizer, challenge, server, now):
        with pytest.raises(InvalidArgument, match="larger than"):
            await authorizer.fetch_token(challenge, ["x"], ANONYMOUS)

    with_token_server(endless, use)
