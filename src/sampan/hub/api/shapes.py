"""The JSON objects of the HTTP API, field by field as Docker's hub has them.

Fields that this hub has no notion of carry their empty value, so that clients which read them
find what they expect.
"""

from datetime import UTC, datetime
from typing import Any

from sampan.hub.accounts.access_tokens import AccessToken
from sampan.hub.accounts.organisations import Member, Organisation
from sampan.hub.accounts.permissions import Level
from sampan.hub.accounts.standing import Repository, Seen
from sampan.hub.accounts.teams import Team
from sampan.hub.accounts.users import Account
from sampan.hub.repositories.tags import Platform, Tag


def time_text(time_ns: int | None) -> str | None:
    """RFC 3339 with microseconds and Z."""
    if time_ns is None:
        return None
    whole, rest = divmod(time_ns, 10**9)
    moment = datetime.fromtimestamp(whole, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


def repository_row(repository: Repository, *, storage_size: int) -> dict[str, Any]:
    """An entry of a list."""
    return {
        "name": repository.name,
        "namespace": repository.namespace,
        "repository_type": "image",
        "status": 1,
        "status_description": "active",
        "description": repository.description,
        "is_private": repository.is_private,
        "star_count": repository.star_count,
        "pull_count": repository.pull_count,
        "last_updated": time_text(repository.updated_ns),
        "date_registered": time_text(repository.created_ns),
        "affiliation": "",
        "media_types": [],
        "content_types": ["image"],
        "categories": [],
        "storage_size": storage_size,
    }


def repository_detail(
    seen: Seen, *, collaborators: int, starred: bool, storage_size: int, automated: bool
) -> dict[str, Any]:
    repository, level = seen.repository, seen.level
    return {
        **repository_row(repository, storage_size=storage_size),
        "user": repository.namespace,
        "full_description": repository.full_description or None,
        "is_automated": automated,
        "can_edit": level >= Level.ADMIN,
        "collaborator_count": collaborators,
        "affiliation": "owner" if level is Level.OWNER else None,
        "hub_user": repository.namespace,
        "has_starred": starred,
        "permissions": {
            "read": level >= Level.READ,
            "write": level >= Level.WRITE,
            "admin": level >= Level.ADMIN,
        },
        "immutable_tags_settings": {"enabled": False, "rules": []},
    }


def found_row(repository: Repository, *, automated: bool) -> dict[str, Any]:
    """An entry of /v2/search/repositories."""
    return {
        "repo_name": shown_name(repository),
        "short_description": repository.description,
        "star_count": repository.star_count,
        "pull_count": repository.pull_count,
        "repo_owner": repository.namespace,
        "is_automated": automated,
        "is_official": repository.namespace == "library",
    }


def index_row(repository: Repository, *, automated: bool) -> dict[str, Any]:
    """An entry of /v1/search."""
    return {
        "name": shown_name(repository),
        "description": repository.description,
        "is_official": repository.namespace == "library",
        "is_automated": automated,
        "is_trusted": False,
        "star_count": repository.star_count,
    }


def shown_name(repository: Repository) -> str:
    return repository.name if repository.namespace == "library" else repository.path


def tag_detail(repository: Repository, tag: Tag) -> dict[str, Any]:
    return {
        "creator": 0,
        "id": 0,
        "images": [_image(platform, tag) for platform in tag.platforms],
        "last_updated": time_text(tag.pushed_ns),
        "last_updater": 0,
        "last_updater_username": tag.pusher,
        "name": tag.name,
        "repository": repository.id,
        "full_size": tag.size,
        "v2": True,
        "tag_status": "active",
        "tag_last_pulled": time_text(tag.pulled_ns),
        "tag_last_pushed": time_text(tag.pushed_ns),
        "media_type": tag.media_type,
        "content_type": "image",
        "digest": tag.digest,
    }


def _image(platform: Platform, tag: Tag) -> dict[str, Any]:
    return {
        "architecture": platform.architecture or "unknown",
        "features": "",
        "variant": platform.variant or None,
        "digest": platform.digest,
        "os": platform.os or "linux",
        "os_features": "",
        "os_version": None,
        "size": platform.size,
        "status": "active",
        "last_pulled": time_text(tag.pulled_ns),
        "last_pushed": time_text(platform.pushed_ns),
    }


def profile(account: Account, *, own: bool = False) -> dict[str, Any]:
    """`own`: with what only the account itself and administrators see."""
    shape: dict[str, Any] = {
        "id": str(account.id),
        "uuid": str(account.id),
        "username": account.name,
        "full_name": account.full_name,
        "location": "",
        "company": "",
        "profile_url": "",
        "date_joined": time_text(account.created_ns),
        "gravatar_url": "",
        "type": "User",
    }
    if own:
        shape |= {"email": account.email, "is_admin": account.is_admin}
    return shape


def access_token(
    token: AccessToken, account: Account, *, value: str = "", client: str = ""
) -> dict[str, Any]:
    """`value` only in the answer to its creation."""
    return {
        "uuid": token.id,
        "client_id": client,
        "creator_ip": "",
        "creator_ua": "",
        "created_at": time_text(token.created_ns),
        "last_used": time_text(token.used_ns),
        "generated_by": "manual",
        "is_active": token.is_active,
        "token": value,
        "token_label": token.label,
        "scopes": [token.scope.value],
        "expires_at": time_text(token.expires_ns),
        "username": account.name,
    }


def organisation(found: Organisation) -> dict[str, Any]:
    return {
        "id": str(found.id),
        "uuid": str(found.id),
        "orgname": found.name,
        "full_name": found.full_name,
        "location": "",
        "company": "",
        "profile_url": "",
        "date_joined": time_text(found.created_ns),
        "gravatar_url": "",
        "type": "Organization",
        "badge": "",
        "is_active": True,
    }


def member(found: Member) -> dict[str, Any]:
    return {
        "id": str(found.account_id),
        "username": found.name,
        "full_name": found.full_name,
        "email": found.email,
        "role": found.role.value.capitalize(),
        "groups": list(found.teams),
        "is_guest": False,
        "type": "User",
    }


def team(found: Team) -> dict[str, Any]:
    return {
        "id": found.id,
        "uuid": str(found.id),
        "name": found.name,
        "description": found.description,
        "member_count": found.members,
    }
