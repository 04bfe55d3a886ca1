import asyncio

import pytest

from sampan.swarm.etcd.client import EtcdRefused, EtcdSilent, decoded, encoded
from sampan.swarm.etcd.election import STAND_BACK_S, TTL_S, Election
from sampan.swarm.etcd.members import LastManager


class FakeEtcd:
    """One key that may hang on a lease, in a time that the test moves."""

    def __init__(self):
        self.now = 0.0
        self.ends = {}  # of leases
        self.holder = None  # value and lease
        self.revision = 1

    def client(self):
        return FakeClient(self)

    def expire(self):
        self.ends = {lease: end for lease, end in self.ends.items() if end > self.now}
        if self.holder and self.holder[1] not in self.ends:
            self.holder = None

    def grant(self, body):
        lease = str(len(self.ends) + 100 * self.revision)
        self.revision += 1
        self.ends[lease] = self.now + int(body["TTL"])
        return {"ID": lease, "TTL": body["TTL"]}

    def keepalive(self, body):
        if body["ID"] not in self.ends:
            return {"result": {"ID": body["ID"]}}
        self.ends[body["ID"]] = self.now + TTL_S
        return {"result": {"ID": body["ID"], "TTL": str(TTL_S)}}

    def revoke(self, body):
        if self.ends.pop(body["ID"], None) is None:
            raise EtcdRefused(5, "lease not found")
        return {}

    def txn(self, body):
        header = {"revision": str(self.revision)}
        if body.get("compare") and self.holder is None:
            put = body["success"][0]["request_put"]
            assert decoded(put["key"]) == b"/x/leader"
            if put["lease"] not in self.ends:
                raise EtcdRefused(5, "requested lease not found")
            self.holder = decoded(put["value"]).decode(), put["lease"]
            return {"header": header, "succeeded": True, "responses": [{"response_put": {}}]}
        found = {}
        if self.holder:
            value, lease = self.holder
            found = {"kvs": [{"value": encoded(value), "lease": lease}]}
        succeeded = {} if body.get("compare") else {"succeeded": True}
        return {"header": header, **succeeded, "responses": [{"response_range": found}]}


class FakeClient:
    def __init__(self, etcd):
        self.etcd = etcd
        self.silent = False
        self.loses_answers = False

    async def call(self, path, body=None, *, timeout_s=5):
        if self.silent:
            raise EtcdSilent("cut off")
        self.etcd.expire()
        answer = getattr(self.etcd, path.rpartition("/")[2])(body)
        self.etcd.expire()
        if self.loses_answers:
            raise EtcdSilent("the answer is lost")
        return answer


class Two:
    def __init__(self):
        self.etcd = FakeEtcd()
        self.clients = self.etcd.client(), self.etcd.client()
        self.first, self.second = (
            Election(client, name, "/x/", lambda: self.etcd.now)
            for client, name in zip(self.clients, ("one", "two"), strict=True)
        )

    def ask(self, election):
        """Whether it leads."""
        return asyncio.run(election.status()).leads

    def leads(self, election):
        try:
            return self.ask(election)
        except EtcdSilent:
            return False


@pytest.fixture
def two():
    return Two()


def test_the_first_that_asks_leads_and_stays(two):
    assert two.ask(two.first)
    for _ in range(20):
        two.etcd.now += TTL_S / 2
        assert two.ask(two.first)
        status = asyncio.run(two.second.status())
        assert (status.leads, status.leader, status.member) == (False, "one", "two")


def test_who_is_silent_stops_before_another_leads(two):
    assert two.ask(two.first)
    two.clients[0].silent = True
    led = []
    for _ in range(10 * TTL_S):
        two.etcd.now += 0.1
        led.append((two.leads(two.first), two.leads(two.second)))
    assert (True, True) not in led
    assert led[0] == (True, False)  # a lost answer doesn't cost the lead
    assert led[-1] == (False, True)
    two.clients[0].silent = False
    assert not two.ask(two.first)


def test_answers_that_are_lost_never_make_two_leaders(two):
    two.clients[0].loses_answers = True
    assert not two.leads(two.first)
    assert not two.leads(two.first)
    two.clients[0].loses_answers = False
    assert two.ask(two.first)
    assert not two.ask(two.second)


def test_a_written_key_whose_answer_was_lost_is_its_own(two):
    asyncio.run(two.first.status())
    asyncio.run(two.first.resign())
    asyncio.run(two.first._extend(1.0))
    two.clients[0].loses_answers = True
    assert not two.leads(two.first)
    assert two.etcd.holder[0] == "one"
    two.clients[0].loses_answers = False
    assert two.ask(two.first)


def test_a_lease_that_is_gone_is_replaced(two):
    assert two.ask(two.first)
    two.etcd.now += 10 * TTL_S
    assert two.ask(two.second)
    assert not two.ask(two.first)
    two.etcd.now += 10 * TTL_S
    assert two.ask(two.first)


def test_an_earlier_life_does_not_lead(two):
    assert two.ask(two.first)
    again = Election(two.etcd.client(), "one", "/x/", lambda: two.etcd.now)
    status = asyncio.run(again.status())
    assert (status.leads, status.leader) == (False, "")
    two.etcd.now += TTL_S
    assert two.ask(again)


def test_who_hands_over_stands_back_for_another(two):
    assert two.ask(two.first)
    asyncio.run(two.first.hand_over("two"))
    assert not two.ask(two.first)
    assert two.ask(two.second)
    two.etcd.now += STAND_BACK_S
    assert not two.ask(two.first)


def test_who_hands_over_to_nobody_leads_again(two):
    assert two.ask(two.first)
    asyncio.run(two.first.hand_over("two"))
    two.etcd.now += STAND_BACK_S
    assert two.ask(two.first)


def test_only_the_last_manager_may_not_go(two):
    two.first.check_removal({"one": True, "two": False}, "two")
    two.first.check_removal({"one": True, "two": False}, "one")
    with pytest.raises(LastManager):
        two.first.check_removal({"one": True}, "one")
