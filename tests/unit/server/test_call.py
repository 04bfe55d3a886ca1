"""Query parameters as dockerd reads them."""

import pytest

from sampan.server.routes import Route


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", "false"),
        ("f=", "false"),
        ("f=0", "false"),
        ("f=False", "false"),
        ("f=no", "false"),
        ("f=none", "false"),
        ("f=1", "true"),
        ("f=yes", "true"),
        ("f=anything", "true"),
    ],
)
def test_flags(served, query, wanted):
    async def handler(call):
        return call.reply(call.flag("f"))

    async def scenario(client):
        assert (await client.ask(f"GET /x?{query}")).body.decode().strip() == wanted

    served([Route("GET", "/x", handler)], scenario)


def test_platforms_come_as_text_or_json(served):
    async def handler(call):
        platform = call.platform()
        return call.reply(str(platform) if platform else None)

    async def scenario(client):
        assert (await client.ask("GET /x?platform=linux/arm64")).body == b'"linux/arm64"\n'
        given = "%7B%22os%22:%22linux%22,%22architecture%22:%22amd64%22%7D"
        assert (await client.ask(f"GET /x?platform={given}")).body == b'"linux/amd64"\n'
        assert (await client.ask("GET /x")).body == b"null\n"

    served([Route("GET", "/x", handler)], scenario)


def test_credentials_that_cannot_be_read_are_anonymous(served):
    async def handler(call):
        return call.reply(call.credentials().username)

    async def scenario(client):
        good = await client.ask("GET /x", X_Registry_Auth="eyJ1c2VybmFtZSI6ImJvYiJ9")
        assert good.body == b'"bob"\n'
        assert (await client.ask("GET /x", X_Registry_Auth="???")).body == b'""\n'
        assert (await client.ask("GET /x")).body == b'""\n'

    served([Route("GET", "/x", handler)], scenario)


def test_bad_filters_are_refused(served):
    async def handler(call):
        return call.reply(dict(call.filters().values))

    async def scenario(client):
        assert (await client.ask("GET /x?filters=abc")).status == 400
        good = await client.ask("GET /x?filters=%7B%22a%22:%5B%22b%22%5D%7D")
        assert good.body == b'{"a":["b"]}\n'

    served([Route("GET", "/x", handler)], scenario)
