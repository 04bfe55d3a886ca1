"""Exactly once, whatever of the conversation with etcd gets lost."""

import asyncio

import pytest

from sampan.swarm.etcd.client import EtcdSilent
from sampan.swarm.store.lanes import Done, Lanes, Lost, Transaction


class Etcd:
    """One key space, and answers that get lost on the way back (or requests on the way there)."""

    def __init__(self, *, lost=()):
        self.values, self.revision, self.writes = {}, 1, 0
        self.lost = list(lost)

    async def call(self, path, body=None, *, timeout_s=5):
        fate = self.lost.pop(0) if self.lost else ""
        if fate == "request":
            raise EtcdSilent("lost")
        answer = self.range(body) if path.endswith("range") else self.txn(body)
        if fate == "answer":
            raise EtcdSilent("lost")
        return answer

    def range(self, body):
        found = self.values.get(body["key"])
        return {"kvs": [{"mod_revision": str(found[0]), "value": found[1]}] if found else []}

    def txn(self, body):
        for compare in body["compare"]:
            if self.values.get(compare["key"], (0, ""))[0] != int(compare["mod_revision"]):
                reads = [self.range(one["request_range"]) for one in body["failure"]]
                return {"responses": [{"response_range": read} for read in reads]}
        self.revision += 1
        self.writes += 1
        for operation in body["success"]:
            put = operation["request_put"]
            self.values[put["key"]] = (self.revision, put["value"])
        return {"succeeded": True, "header": {"revision": str(self.revision)}}


def commit(etcd, transaction=None, patience_s=1.0):
    return asyncio.run(Lanes(etcd, "w").commit(transaction or Transaction(), patience_s))


@pytest.mark.parametrize(
    "lost", [(), ("request",), ("", "request"), ("", "answer"), ("answer", "", "answer", "request")]
)
def test_a_transaction_happens_once(lost):
    etcd = Etcd(lost=lost)
    assert commit(etcd) == Done(2)
    assert etcd.writes == 1


def test_a_failed_comparison_writes_nothing():
    etcd = Etcd()
    etcd.values["eA=="] = (5, "djE=")
    compare = [{"key": "eA==", "target": "MOD", "mod_revision": "4"}]
    assert commit(etcd, Transaction(compare)) == Lost()
    assert etcd.writes == 0


def test_silence_ends_after_a_while():
    with pytest.raises(EtcdSilent):
        commit(Etcd(lost=["request"] * 1000), patience_s=0.2)


def test_a_straggler_of_an_earlier_attempt_is_noticed():
    etcd = Etcd()

    async def main():
        lanes = Lanes(etcd, "w")
        assert await lanes.commit(Transaction()) == Done(2)
        for key in etcd.values:  # what nobody waited for any more comes true now
            etcd.values[key] = (3, "b3RoZXI=")
        etcd.revision = 3
        assert await lanes.commit(Transaction()) == Done(4)

    asyncio.run(main())
    assert etcd.writes == 2
