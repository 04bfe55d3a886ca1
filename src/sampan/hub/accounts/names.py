"""What accounts, organisations, teams, repositories and passwords may be called. Pure.

    account, organisation   2 to 30: lower-case letters and digits, inside also single - _ .
    repository              1 to 200: the registry's grammar, so parts with slashes between
    team                    2 to 30: letters, digits, inside also - _

An account and an organisation share one namespace of names: both own repositories. Names that are
words of the hub's own API below /v2/ are reserved, because the registry's paths begin there too.
"""

import re

from sampan.errors import InvalidArgument

RESERVED = frozenset(
    {
        "access-tokens",
        "api_tokens",
        "auditlogs",
        "auth",
        "invites",
        "logout",
        "namespaces",
        "orgs",
        "repositories",
        "scim",
        "search",
        "user",
        "users",
    }
)
OFFICIAL = "library"  # the namespace of images without one in their name

PASSWORD_LEAST = 8
PASSWORD_MOST = 256  # argon2 takes any length; a body of megabytes shouldn't reach it
DESCRIPTION_MOST = 100
OVERVIEW_MOST = 25_000

_NAME = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_TEAM = re.compile(r"[a-zA-Z0-9]+(?:[-_][a-zA-Z0-9]+)*")
_EMAIL = re.compile(r"[^@\s<>\"']{1,64}@[^@\s<>\"']{1,190}")


class BadName(InvalidArgument):
    """`field` is the form's field that the message belongs to."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def check_namespace(name: str) -> str:
    """Raises BadName. `library` passes: who may have it isn't a question of spelling."""
    if not 2 <= len(name) <= 30 or not _NAME.fullmatch(name):
        raise BadName(
            "name",
            "names have 2 to 30 lower-case letters and digits, with single - _ . between them",
        )
    if name in RESERVED:
        raise BadName("name", f"the name {name} is reserved")
    return name


def check_repository(name: str) -> str:
    if not 1 <= len(name) <= 200 or not _REPOSITORY.fullmatch(name):
        raise BadName(
            "name", "repository names have lower-case letters and digits, with - _ . between them"
        )
    return name


def check_team(name: str) -> str:
    if not 2 <= len(name) <= 30 or not _TEAM.fullmatch(name):
        raise BadName("name", "team names have 2 to 30 letters and digits, with - _ between them")
    return name


def check_email(address: str) -> str:
    """May be empty: the hub sends no mail."""
    if address and not _EMAIL.fullmatch(address):
        raise BadName("email", "that is no e-mail address")
    return address


def check_password(password: str, *, name: str = "") -> str:
    if len(password) < PASSWORD_LEAST:
        raise BadName("password", f"passwords have at least {PASSWORD_LEAST} characters")
    if len(password) > PASSWORD_MOST:
        raise BadName("password", f"passwords have at most {PASSWORD_MOST} characters")
    if len(set(password)) < 4 or (name and password.lower() == name.lower()):
        raise BadName("password", "that password is too easy to guess")
    return password


def check_description(text: str) -> str:
    if len(text) > DESCRIPTION_MOST:
        raise BadName(
            "description", f"short descriptions have at most {DESCRIPTION_MOST} characters"
        )
    return " ".join(text.split())


def check_overview(text: str) -> str:
    if len(text) > OVERVIEW_MOST:
        raise BadName("full_description", f"overviews have at most {OVERVIEW_MOST} characters")
    return text.replace("\r\n", "\n")
