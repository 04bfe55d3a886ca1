"""Push webhooks of git servers: proofs that fit and that don't, shapes of four servers."""

import hashlib
import hmac
import json

import pytest

from sampan.hub.automation.builds.rules import Ref
from sampan.hub.automation.builds.triggers import BadPayload, NotProven, Pushed, read_trigger

SECRET = "s3cret"
COMMIT = "a" * 40
ZERO = "0" * 40
BY_REF = {"ref": "refs/heads/main", "before": ZERO, "after": COMMIT}
CLOUD = {
    "push": {
        "changes": [
            {"new": {"type": "branch", "name": "main", "target": {"hash": COMMIT}}},
            {"new": None, "old": {"type": "branch", "name": "gone"}},
            {"new": {"type": "tag", "name": "v1", "target": {"hash": COMMIT}}},
        ]
    }
}
SERVER = {
    "changes": [
        {"ref": {"id": "refs/heads/main"}, "toHash": COMMIT, "type": "UPDATE"},
        {"ref": {"id": "refs/heads/gone"}, "toHash": ZERO, "type": "DELETE"},
    ]
}
MAIN = Pushed(Ref("branch", "main"), COMMIT)
V1 = Pushed(Ref("tag", "v1"), COMMIT)


def sign(body, secret=SECRET):
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def call(shape, event, *, secret=SECRET, body=None):
    body = json.dumps(shape).encode() if body is None else body
    kind, value = event
    if kind == "X-Gitlab-Event":
        headers = {"X-Gitlab-Token": secret}
    elif kind == "X-GitHub-Event":
        headers = {"X-Hub-Signature-256": sign(body, secret)}
    else:
        headers = {"X-Hub-Signature": sign(body, secret)}
    return headers | {kind: value}, body


GITHUB, GITLAB = ("X-GitHub-Event", "push"), ("X-Gitlab-Event", "Push Hook")
GITLAB_TAG = ("X-Gitlab-Event", "Tag Push Hook")
BITBUCKET, BITBUCKET_SERVER = ("X-Event-Key", "repo:push"), ("X-Event-Key", "repo:refs_changed")
CASES = [
    (BY_REF, GITHUB, [MAIN]),
    ({**BY_REF, "ref": "refs/tags/v1"}, GITHUB, [V1]),
    ({**BY_REF, "after": ZERO, "deleted": True}, GITHUB, []),
    ({**BY_REF, "ref": "refs/notes/x"}, GITHUB, []),
    ({"zen": "..."}, ("X-GitHub-Event", "ping"), []),
    (BY_REF, GITLAB, [MAIN]),
    ({**BY_REF, "ref": "refs/tags/v1"}, GITLAB_TAG, [V1]),
    ({**BY_REF, "after": ZERO}, GITLAB, []),
    ({}, ("X-Gitlab-Event", "Note Hook"), []),
    (CLOUD, BITBUCKET, [MAIN, V1]),
    (SERVER, BITBUCKET_SERVER, [MAIN]),
    ({"test": True}, ("X-Event-Key", "diagnostics:ping"), []),
]


@pytest.mark.parametrize(("shape", "event", "expected"), CASES)
def test_what_was_pushed(shape, event, expected):
    headers, body = call(shape, event)
    assert read_trigger(headers, body, SECRET) == expected


@pytest.mark.parametrize("event", [GITHUB, GITLAB, BITBUCKET, BITBUCKET_SERVER])
def test_a_wrong_secret(event):
    headers, body = call(BY_REF, event, secret="other")
    with pytest.raises(NotProven):
        read_trigger(headers, body, SECRET)


@pytest.mark.parametrize("event", [GITHUB, BITBUCKET])
def test_a_changed_body(event):
    headers, body = call(BY_REF, event)
    with pytest.raises(NotProven):
        read_trigger(headers, body.replace(b"main", b"evil"), SECRET)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-GitHub-Event": "push"},
        {"X-GitHub-Event": "push", "X-Hub-Signature-256": ""},
        {"X-GitHub-Event": "push", "X-Hub-Signature-256": "sha256="},
        {"X-GitHub-Event": "push", "X-Gitlab-Token": SECRET},
        {"X-Gitlab-Event": "Push Hook"},
        {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": ""},
        {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": "s3cre\u0301t"},
        {"X-Gitlab-Token": SECRET},
    ],
)
def test_no_proof(headers):
    with pytest.raises(NotProven):
        read_trigger(headers, json.dumps(BY_REF).encode(), SECRET)


def test_a_sha1_signature_proves_nothing():
    body = json.dumps(BY_REF).encode()
    sha1 = "sha1=" + hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest()
    with pytest.raises(NotProven):
        read_trigger({"X-GitHub-Event": "push", "X-Hub-Signature": sha1}, body, SECRET)


@pytest.mark.parametrize(
    ("event", "body"),
    [
        (GITHUB, b"{"),
        (GITHUB, b"[]"),
        (GITHUB, b"{}"),
        (GITLAB, b"null"),
        (BITBUCKET, b'{"push": 1}'),
        (BITBUCKET, b'{"push": {"changes": [1]}}'),
        (BITBUCKET_SERVER, b'{"changes": [{}]}'),
        (GITHUB, b"\xff\xfe"),
    ],
)
def test_payloads_that_can_t_be_read(event, body):
    headers, body = call(None, event, body=body)
    with pytest.raises(BadPayload):
        read_trigger(headers, body, SECRET)
