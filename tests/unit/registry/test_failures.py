"""What a refusal is called: Docker's clients go by these words."""

import asyncio

import pytest
from multidict import CIMultiDict

from sampan.registry.failures import read_error

BODY = b'{"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}'


class _Response:
    status, reason = 401, "Unauthorized"

    def __init__(self, challenge: str) -> None:
        self.headers = CIMultiDict({"WWW-Authenticate": challenge} if challenge else {})
        self.content = self

    async def read(self, _limit: int) -> bytes:
        return BODY


@pytest.mark.parametrize(
    ("challenge", "text"),
    [
        ('Bearer realm="r",error="insufficient_scope"', "denied: requested access to the resource"),
        ('bearer error="insufficient_scope",realm="r"', "denied: requested access to the resource"),
        ('Bearer realm="r",error="invalid_token"', "unauthorized: authentication required"),
        ('Bearer realm="r"', "unauthorized: authentication required"),
        ('Basic realm="insufficient_scope"', "unauthorized: authentication required"),
        ("", "unauthorized: authentication required"),
    ],
)
def test_a_good_token_without_the_right_scope_is_denied(challenge: str, text: str) -> None:
    error = asyncio.run(read_error(_Response(challenge)))
    assert error.message.startswith(text)
    assert error.status == 401
