"""Passwords, names, throttling: what guards the door before any permission."""

import pytest
from argon2 import PasswordHasher

from sampan.hub.accounts import names
from sampan.hub.accounts.passwords import Passwords, fingerprint, new_access_token
from sampan.hub.accounts.throttle import (
    FREE_ACCOUNT,
    FREE_ADDRESS,
    KEYS,
    LONGEST_S,
    WINDOW_S,
    Throttle,
    TooManyAttempts,
)

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def test_a_password_matches_its_own_hash_only() -> None:
    passwords = Passwords(CHEAP)
    hashed = passwords.hash("correct horse")
    assert hashed.startswith("$argon2id$")
    assert "correct" not in hashed
    assert passwords.verify(hashed, "correct horse")
    assert not passwords.verify(hashed, "correct horsf")
    assert not passwords.verify(None, "correct horse")
    assert not passwords.verify("", "")
    assert not passwords.verify("no hash at all", "x")


def test_an_older_cost_is_noticed() -> None:
    assert Passwords().outdated(CHEAP.hash("x"))
    assert not Passwords(CHEAP).outdated(CHEAP.hash("x"))


def test_access_tokens_are_long_and_kept_as_fingerprints() -> None:
    one, other = new_access_token(), new_access_token()
    assert one != other
    assert one.startswith("smp_pat_")
    assert len(one) >= 40
    assert fingerprint(one) != fingerprint(other)
    assert one not in fingerprint(one)


@pytest.mark.parametrize("name", ["ab", "alice", "a-b_c.d", "team9", "library"])
def test_good_namespaces(name: str) -> None:
    assert names.check_namespace(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("a", "a" * 31, "Alice", "-ab", "ab-", "a--b", "a/b", "a b", "", "users", "../x", "a\n"),
        *("ab\n", "é2", "orgs", "auth", "access-tokens", "search", "user", "repositories", "scim"),
    ],
)
def test_bad_namespaces(name: str) -> None:
    with pytest.raises(names.BadName):
        names.check_namespace(name)


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaa", "alicealice", "x" * 257])
def test_bad_passwords(password: str) -> None:
    with pytest.raises(names.BadName):
        names.check_password(password, name="alicealice")


def test_good_password() -> None:
    assert names.check_password("secret99", name="alice") == "secret99"


class _Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def _throttle() -> tuple[Throttle, _Clock]:
    clock = _Clock()
    return Throttle(clock=clock), clock


def test_an_account_waits_longer_after_each_failure() -> None:
    throttle, clock = _throttle()
    for _ in range(FREE_ACCOUNT):
        throttle.check("alice", "10.0.0.1")
        throttle.failed("alice", "10.0.0.1")
    waits = []
    for _ in range(12):
        with pytest.raises(TooManyAttempts) as caught:
            throttle.check("alice", "10.9.9.9")  # from anywhere
        waits.append(caught.value.wait_s)
        clock.now_s += caught.value.wait_s
        throttle.check("alice", "10.0.0.1")
        throttle.failed("alice", "10.0.0.1")
    assert waits[:4] == [1, 2, 4, 8]
    assert waits[-1] == LONGEST_S
    throttle.check("bob", "10.9.9.9")


def test_an_address_is_counted_over_all_accounts() -> None:
    throttle, clock = _throttle()
    for number in range(FREE_ADDRESS):
        throttle.check(f"user{number}", "10.0.0.1")
        throttle.failed(f"user{number}", "10.0.0.1")
    with pytest.raises(TooManyAttempts):
        throttle.check("fresh", "10.0.0.1")
    throttle.succeeded("fresh")
    with pytest.raises(TooManyAttempts):
        throttle.check("fresh", "10.0.0.1")
    throttle.check("fresh", "10.0.0.2")
    clock.now_s += WINDOW_S + 1
    throttle.check("fresh", "10.0.0.1")


def test_a_success_forgets_the_accounts_failures() -> None:
    throttle, _ = _throttle()
    for _ in range(FREE_ACCOUNT):
        throttle.failed("alice", "10.0.0.1")
    throttle.succeeded("alice")
    throttle.check("alice", "10.0.0.1")


def test_memory_is_bounded() -> None:
    throttle, _ = _throttle()
    for number in range(KEYS):
        throttle.failed(f"u{number}", f"a{number}")
    assert len(throttle._failures) == KEYS
