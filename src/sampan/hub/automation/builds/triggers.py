"""Push webhooks of git servers: is it really theirs, and what was pushed. Pure.

    server              proof                                      event
    GitHub, Gitea, ...  X-Hub-Signature-256: sha256=HMAC of body   X-GitHub-Event: push
    GitLab              X-Gitlab-Token: the secret itself          X-Gitlab-Event: Push Hook, ...
    Bitbucket (both)    X-Hub-Signature: sha256=HMAC of body       X-Event-Key: repo:push, ...

A call without a right proof says nothing; signatures are compared in constant time, and SHA-1 ones
aren't looked at. Events other than pushes, and deleted refs, are nothing to build.
"""

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from sampan.errors import InvalidArgument, Unauthenticated
from sampan.hub.automation.builds.rules import BRANCH, TAG, Ref, parse_ref

_PUSHES = {
    "X-GitHub-Event": {"push"},
    "X-Gitlab-Event": {"Push Hook", "Tag Push Hook"},
    "X-Event-Key": {"repo:push", "repo:refs_changed"},
}


class NotProven(Unauthenticated):
    def __init__(self) -> None:
        super().__init__("the signature or token doesn't fit")


class BadPayload(InvalidArgument):
    def __init__(self, reason: str) -> None:
        super().__init__(f"the payload can't be read: {reason}")


@dataclass(frozen=True, slots=True)
class Pushed:
    ref: Ref
    commit: str


def read_trigger(headers: Mapping[str, str], body: bytes, secret: str) -> list[Pushed]:
    """What was pushed. Raises NotProven before it looks at the body, BadPayload."""
    kind = next((name for name in _PUSHES if name in headers), "")
    if not _proven(kind, headers, body, secret):
        raise NotProven
    if headers[kind] not in _PUSHES[kind]:
        return []
    try:
        shape = msgspec.json.decode(body, type=dict[str, Any])
        reader = _from_changes if kind == "X-Event-Key" else _from_ref
        return list(reader(shape))
    except (msgspec.MsgspecError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadPayload(str(error)) from error


def _proven(kind: str, headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    if not kind:
        return False
    if kind == "X-Gitlab-Event":
        given = headers.get("X-Gitlab-Token", "")
        return hmac.compare_digest(given.encode(), secret.encode())
    name = "X-Hub-Signature-256" if kind == "X-GitHub-Event" else "X-Hub-Signature"
    expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(headers.get(name, "").encode(), expected.encode())


def _from_ref(shape: dict[str, Any]) -> Iterator[Pushed]:
    """GitHub's and GitLab's: `ref` and `after`, which is all zeros for a deleted ref."""
    ref, commit = parse_ref(str(shape["ref"])), str(shape["after"])
    if ref is not None and commit.strip("0"):
        yield Pushed(ref, commit)


def _from_changes(shape: dict[str, Any]) -> Iterator[Pushed]:
    """Bitbucket's: Cloud nests them in `push`, the server has them at the top."""
    cloud = "push" in shape
    for change in shape["push"]["changes"] if cloud else shape["changes"]:
        if cloud:
            new = change["new"]
            kind = {"branch": BRANCH, "tag": TAG}.get(new["type"]) if new else None
            if kind:
                yield Pushed(Ref(kind, str(new["name"])), str(new["target"]["hash"]))
        elif change["type"] != "DELETE":
            ref = parse_ref(str(change["ref"]["id"]))
            if ref is not None:
                yield Pushed(ref, str(change["toHash"]))
