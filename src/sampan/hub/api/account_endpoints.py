"""Logging in, accounts, access tokens."""

from datetime import UTC, datetime

import msgspec
from aiohttp import web

from sampan.errors import InvalidArgument
from sampan.hub.accounts import access_tokens, organisations, users
from sampan.hub.accounts.logins import Attempt
from sampan.hub.accounts.permissions import Scope
from sampan.hub.api import shapes
from sampan.hub.api.calls import Call, answer, nothing


class _Login(msgspec.Struct, frozen=True):
    username: str = ""
    password: str = ""


class _Secret(msgspec.Struct, frozen=True):
    identifier: str = ""
    secret: str = ""


class _NewToken(msgspec.Struct, frozen=True):
    token_label: str = ""
    scopes: list[str] = []
    expires_at: str | None = None


class _TokenChange(msgspec.Struct, frozen=True):
    token_label: str | None = None
    is_active: bool | None = None


class _OldToken(msgspec.Struct, frozen=True):
    description: str = ""


async def login(call: Call) -> web.Response:
    given = await call.body(_Login)
    caller = await _check(call, given.username, given.password)
    shape = {"token": call.services.logins.api_token(caller)}
    if call.query("refresh_token") == "true":
        shape["refresh_token"] = call.services.logins.refresh_token(caller)
    return answer(shape)


async def auth_token(call: Call) -> web.Response:
    given = await call.body(_Secret)
    caller = await _check(call, given.identifier, given.secret)
    return answer({"access_token": call.services.logins.api_token(caller)})


async def _check(call: Call, name: str, secret: str) -> users.Caller:
    attempt = Attempt(name, secret, call.request.remote or "")
    return await call.services.workers.run(call.services.logins.check, attempt)


async def logout(call: Call) -> web.Response:
    """Tokens of this API aren't kept anywhere: the client forgets its own."""
    return answer({"detail": "logged out"})


async def own_account(call: Call) -> web.Response:
    return answer(shapes.profile(call.account(), own=True))


async def own_organisations(call: Call) -> web.Response:
    account, part = call.account(), call.part()
    found = await call.read(lambda connection: organisations.of_account(connection, account.id))
    chosen = found[part.offset : part.offset + part.size]
    return call.page(part, len(found), [shapes.organisation(each) for each, _ in chosen])


async def public_profile(call: Call) -> web.Response:
    name = call.text("username")
    account = await call.read(lambda connection: users.get(connection, name))
    own = call.caller.id == account.id or call.caller.is_admin
    return answer(shapes.profile(account, own=own))


async def list_tokens(call: Call) -> web.Response:
    account, part = call.account(least=Scope.ADMIN), call.part()
    found, count, active = await call.read(
        lambda connection: access_tokens.list_tokens(
            connection, account.id, limit=part.size, offset=part.offset
        )
    )
    rows = [shapes.access_token(token, account) for token in found]
    return call.page(part, count, rows, active_count=active)


async def create_token(call: Call) -> web.Response:
    given = await call.body(_NewToken)
    return await _create(
        call, given.token_label, _one_scope(given.scopes), _moment_ns(given.expires_at)
    )


async def create_token_old(call: Call) -> web.Response:
    """The shape of before scopes."""
    given = await call.body(_OldToken)
    return await _create(call, given.description, Scope.ADMIN, None)


async def _create(call: Call, label: str, scope: Scope, expires_ns: int | None) -> web.Response:
    account = call.account(least=Scope.ADMIN)
    token, value = await call.write(
        lambda connection: access_tokens.create(
            connection,
            account.id,
            label=label,
            scope=scope,
            expires_ns=expires_ns,
            ceiling=call.caller.token_id,
        )
    )
    return answer(shapes.access_token(token, account, value=value), 201)


async def get_token(call: Call) -> web.Response:
    account, token_id = call.account(least=Scope.ADMIN), call.text("uuid")
    token = await call.read(lambda connection: access_tokens.get(connection, account.id, token_id))
    return answer(shapes.access_token(token, account))


async def edit_token(call: Call) -> web.Response:
    account, token_id = call.account(least=Scope.ADMIN), call.text("uuid")
    given = await call.body(_TokenChange)
    token = await call.write(
        lambda connection: access_tokens.edit(
            connection,
            account.id,
            token_id,
            label=given.token_label,
            is_active=given.is_active,
            ceiling=call.caller.token_id,
        )
    )
    return answer(shapes.access_token(token, account))


async def remove_token(call: Call) -> web.Response:
    account, token_id = call.account(least=Scope.ADMIN), call.text("uuid")
    await call.write(lambda connection: access_tokens.remove(connection, account.id, token_id))
    return nothing()


def _one_scope(given: list[str]) -> Scope:
    """Scopes include the smaller ones, so the largest of several is what they mean."""
    order = list(Scope)
    try:
        return max((Scope(text) for text in given), key=order.index)
    except ValueError:
        names = ", ".join(order)
        raise InvalidArgument(f"scopes must be of {names}") from None


def _moment_ns(text: str | None) -> int | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidArgument("expires_at isn't a time (RFC 3339)") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 10**9
