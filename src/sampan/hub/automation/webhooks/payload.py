"""What a webhook says: Docker Hub's payload, and the headers around it. Pure.

X-Hub-Event          push, or test (the button)
X-Hub-Delivery       the delivery's id: the same for every retry, so receivers can tell repeats
X-Hub-Signature-256  sha256=HMAC of the body with the webhook's secret, as GitHub writes it
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

import msgspec

from sampan.hub.accounts.standing import Repository

PUSH, TEST = "push", "test"
AGENT = "Sampan-Hub-Webhook/1"
_SECOND_NS = 10**9


@dataclass(frozen=True, slots=True)
class Push:
    tag: str
    pusher: str
    time_ns: int


def payload_of(repository: Repository, push: Push, *, base_url: str, automated: bool) -> str:
    """`automated`: a build source is linked. The callback address is legacy and empty."""
    path = repository.path
    shape: dict[str, Any] = {
        "push_data": {
            "pushed_at": push.time_ns // _SECOND_NS,
            "pusher": push.pusher,
            "tag": push.tag,
            "images": [],
        },
        "callback_url": "",
        "repository": {
            "comment_count": 0,
            "date_created": repository.created_ns // _SECOND_NS,
            "description": repository.description,
            "dockerfile": "",
            "full_description": repository.full_description,
            "is_official": repository.namespace == "library",
            "is_private": repository.is_private,
            "is_trusted": automated,
            "name": repository.name,
            "namespace": repository.namespace,
            "owner": repository.namespace,
            "repo_name": path,
            "repo_url": f"{base_url}/r/{repository.namespace}/{repository.name.replace('/', '~')}",
            "star_count": repository.star_count,
            "status": "Active",
        },
    }
    return msgspec.json.encode(shape).decode()


def signature(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def headers_of(delivery_id: str, event: str, secret: str, body: bytes) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "User-Agent": AGENT,
        "X-Hub-Event": event,
        "X-Hub-Delivery": delivery_id,
        "X-Hub-Signature-256": signature(secret, body),
    }
