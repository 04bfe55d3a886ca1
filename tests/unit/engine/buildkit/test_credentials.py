"""Credentials that the build's client is asked for."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from sampan.engine.buildkit.credentials import SessionCredentials
from sampan.registry.keychain import ANONYMOUS, Credentials
from sampan.wire.buildkit.protobuf import decode, encode
from sampan.wire.buildkit.session import CREDENTIALS, CredentialsReply, CredentialsRequest


class Client:
    def __init__(self, replies):
        self._replies = replies
        self._reply = None

    def supports(self, method):
        return bool(self._replies) and method == CREDENTIALS

    @asynccontextmanager
    async def call(self, method, metadata=()):
        yield self

    async def send(self, message):
        self._reply = encode(self._replies[decode(CredentialsRequest, message).Host])

    async def finish(self):
        pass

    async def receive(self):
        reply, self._reply = self._reply, None
        return reply


@pytest.mark.parametrize(
    ("replies", "domain", "found"),
    [
        ({"r.test:5000": CredentialsReply("u", "p")}, "r.test:5000", Credentials("u", "p")),
        (
            {"registry-1.docker.io": CredentialsReply("", "token")},
            "docker.io",
            Credentials(identity_token="token"),
        ),
        ({"r.test": CredentialsReply()}, "r.test", ANONYMOUS),
        ({}, "r.test", ANONYMOUS),
    ],
)
def test_credentials(replies, domain, found):
    async def caller():
        return Client(replies)

    assert asyncio.run(SessionCredentials(caller).for_domain(domain)) == found
