"""Many at the door at once: guesses don't get past the throttle, others don't wait behind them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sampan.hub.accounts.logins import Attempt, WrongCredentials
from sampan.hub.accounts.passwords import HASHES_AT_ONCE
from sampan.hub.accounts.throttle import FREE_ACCOUNT, TooManyAttempts
from unit.hub.whole import PASSWORD, WholeHub, basic


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with WholeHub(tmp_path_factory.mktemp("hub")) as running:
        running.user("alice")
        running.user("bob")
        yield running


def test_guesses_side_by_side_are_counted_like_others(hub, monkeypatch):
    logins, looked, ready = hub.services.logins, [], threading.Barrier(12)

    def verify(_hashed, password):
        looked.append(password)
        threading.Event().wait(0.02)  # as argon2 does: time for the others to arrive
        return False

    def guess(number):
        ready.wait(10)
        with pytest.raises((WrongCredentials, TooManyAttempts)):
            logins.check(Attempt("alice", f"guess {number}", "192.0.2.1"))

    monkeypatch.setattr(hub.services.passwords, "verify", verify)
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(guess, range(12)))
    assert len(looked) == FREE_ACCOUNT


def test_right_ones_side_by_side_are_all_let_in(hub):
    def enter(_):
        return hub.services.logins.check(Attempt("bob", PASSWORD, "192.0.2.2")).name

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(enter, range(12))) == {"bob"}


def test_a_crowd_that_logs_in_doesn_t_keep_others_waiting(hub):
    room = hub.services.passwords._room
    for _ in range(HASHES_AT_ONCE):  # hashing takes for ever
        room.acquire()
    try:
        with ThreadPoolExecutor(20) as pool:
            crowd = [
                pool.submit(hub.call, "GET", "/token", Authorization=basic(f"nobody-{number}"))
                for number in range(20)
            ]
            try:
                threading.Event().wait(0.3)
                assert hub.call("GET", "/v2/repositories/bob").status == 200
                assert not any(each.done() for each in crowd)
            finally:
                for _ in range(HASHES_AT_ONCE):
                    room.release()
            assert {each.result().status for each in crowd} == {401}
    finally:
        assert room.acquire(blocking=False), "the room is free again"
        room.release()
