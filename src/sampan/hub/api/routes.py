"""The table of the HTTP API, and the way of a request through it.

The table is also what the OpenAPI description is made of (openapi.py), so the two can't differ.
Every path is served with and without a slash at its end. Paths of Docker's hub that aren't built
answer 501 and say so. Nothing here collides with the registry below /v2/: its first words are
reserved names (accounts/names.py).
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from sampan.errors import Internal, SampanError, Unsupported
from sampan.hub.accounts.users import NOBODY
from sampan.hub.api import account_endpoints as account
from sampan.hub.api import organisation_endpoints as organisation
from sampan.hub.api import repository_endpoints as repository
from sampan.hub.api.calls import Call, caller_of, failure
from sampan.hub.services import Services

log = logging.getLogger(__name__)

Handler = Callable[[Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`open` ones don't read credentials: a stale token can't keep anybody from logging in."""

    method: str
    path: str
    handler: Handler
    summary: str
    success: int = 200
    open: bool = False


async def unbuilt(call: Call) -> web.StreamResponse:
    raise Unsupported(f"{call.request.method} {call.request.path} is not supported by this hub")


_REPOSITORY = "/v2/repositories/{namespace}/{repository}"
_NAMESPACED = "/v2/namespaces/{namespace}/repositories"
_ORG = "/v2/orgs/{org_name}"
_TOKENS = "/v2/access-tokens"
_GROUP = _ORG + "/groups/{group_name}"


def _both(methods: str, tail: str, handler: Handler, summary: str) -> list[Endpoint]:
    """The older and the newer spelling of a repository's paths."""
    return [
        Endpoint(method, base + tail, handler, summary)
        for method in methods.split()
        for base in (_REPOSITORY, _NAMESPACED + "/{repository}")
    ]


ACCOUNTS = [
    Endpoint("POST", "/v2/users/login", account.login, "Log in; returns a token", open=True),
    Endpoint("POST", "/v2/auth/token", account.auth_token, "Log in; returns a token", open=True),
    Endpoint("POST", "/v2/logout", account.logout, "Forget the token", open=True),
    Endpoint("GET", "/v2/user", account.own_account, "The token's account"),
    Endpoint("GET", "/v2/user/orgs", account.own_organisations, "The account's organisations"),
    Endpoint("GET", "/v2/users/{username}", account.public_profile, "A public profile"),
    Endpoint("GET", _TOKENS, account.list_tokens, "List access tokens"),
    Endpoint("POST", _TOKENS, account.create_token, "Make an access token", 201),
    Endpoint("GET", _TOKENS + "/{uuid}", account.get_token, "One access token"),
    Endpoint("PATCH", _TOKENS + "/{uuid}", account.edit_token, "Rename or switch a token"),
    Endpoint("DELETE", _TOKENS + "/{uuid}", account.remove_token, "Revoke a token", 204),
    Endpoint("GET", "/v2/api_tokens", account.list_tokens, "List access tokens (old name)"),
    Endpoint("POST", "/v2/api_tokens", account.create_token_old, "Make a token (old name)", 201),
]

REPOSITORIES = [
    Endpoint("GET", "/v1/search", repository.search_index, "Search, as `docker search` does"),
    Endpoint(
        "GET", "/v2/search/repositories", repository.search_repositories, "Search repositories"
    ),
    Endpoint("POST", "/v2/repositories", repository.create_repository, "Create a repository", 201),
    Endpoint(
        "GET", "/v2/repositories/{namespace}", repository.list_repositories, "List repositories"
    ),
    Endpoint("GET", _NAMESPACED, repository.list_repositories, "List repositories"),
    Endpoint("POST", _NAMESPACED, repository.create_repository, "Create a repository", 201),
    *_both("GET HEAD", "", repository.get_repository, "One repository"),
    *_both("PATCH", "", repository.edit_repository, "Change a repository"),
    Endpoint("DELETE", _REPOSITORY, repository.remove_repository, "Remove a repository", 202),
    Endpoint("PATCH", _REPOSITORY + "/privacy", repository.set_privacy, "Public or private"),
    Endpoint("POST", _REPOSITORY + "/stars", repository.set_star, "Star a repository", 204),
    Endpoint("DELETE", _REPOSITORY + "/stars", repository.set_star, "Take the star away", 204),
    *_both("GET HEAD", "/tags", repository.list_tags, "List tags"),
    *_both("GET HEAD", "/tags/{tag}", repository.get_tag, "One tag with its platforms"),
    Endpoint("DELETE", _REPOSITORY + "/tags/{tag}", repository.remove_tag, "Remove a tag", 204),
]

ORGANISATIONS = [
    Endpoint("GET", _ORG, organisation.get_organisation, "An organisation's profile"),
    Endpoint("GET", _ORG + "/members", organisation.list_members, "List members"),
    Endpoint("GET", _ORG + "/members/export", organisation.export_members, "Members as CSV"),
    Endpoint("PUT", _ORG + "/members/{username}", organisation.set_member, "Set a role"),
    Endpoint("DELETE", _ORG + "/members/{username}", organisation.remove_member, "Remove", 204),
    Endpoint("GET", _ORG + "/groups", organisation.list_teams, "List teams"),
    Endpoint("POST", _ORG + "/groups", organisation.create_team, "Create a team", 201),
    Endpoint("GET", _GROUP, organisation.get_team, "One team"),
    Endpoint("PUT", _GROUP, organisation.edit_team, "Replace a team"),
    Endpoint("PATCH", _GROUP, organisation.edit_team, "Change a team"),
    Endpoint("DELETE", _GROUP, organisation.remove_team, "Remove a team", 204),
    Endpoint("GET", _GROUP + "/members", organisation.list_team_members, "Team members"),
    Endpoint("POST", _GROUP + "/members", organisation.add_team_member, "Add to a team"),
    Endpoint(
        "DELETE",
        _GROUP + "/members/{username}",
        organisation.remove_team_member,
        "Remove from a team",
        204,
    ),
]

ENDPOINTS = [*ACCOUNTS, *REPOSITORIES, *ORGANISATIONS]

UNBUILT = (
    "/v2/users/2fa-login",
    "/v2/orgs/{org_name}/settings",
    "/v2/orgs/{org_name}/invites",
    "/v2/auditlogs/{rest:.*}",
    "/v2/invites/{rest:.*}",
    "/v2/scim/{rest:.*}",
)


class HubApi:
    """`more` are endpoints of other parts of the hub: they go before the general ones."""

    def __init__(self, services: Services, more: tuple[Endpoint, ...] = ()) -> None:
        self._services = services
        self.endpoints = (*more, *ENDPOINTS)

    def routes(self) -> list[web.RouteDef]:
        found = [
            web.route("*", path, partial(self._run, Endpoint("*", path, unbuilt, "")))
            for path in UNBUILT
        ]
        for each in self.endpoints:
            handler = partial(self._run, each)
            more = {"allow_head": False} if each.method == "GET" else {}
            found.append(web.route(each.method, each.path + "{slash:/?}", handler, **more))
        return found

    async def _run(self, endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
        services = self._services
        try:
            caller = NOBODY if endpoint.open else await caller_of(request, services)
            return await endpoint.handler(Call(request, services, caller))
        except SampanError as error:
            return failure(error)
        except (web.HTTPException, ConnectionError):
            raise
        except Exception:
            log.exception("request failed what=%s %s", request.method, request.path)
            return failure(Internal("internal error"))
