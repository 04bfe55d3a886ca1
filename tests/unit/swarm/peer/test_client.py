from sampan import errors
from sampan.swarm.peer import faults
from sampan.swarm.peer.client import Managers
from sampan.swarm.store.interface import NameTaken, NoQuorum, OutOfDate


def test_the_manager_that_answered_is_asked_first():
    managers = Managers(["a", "b", "c", "a"])
    assert sorted(managers.in_order()) == ["a", "b", "c"]
    managers.answered("b")
    assert managers.in_order()[0] == "b"
    managers.failed("b")
    assert sorted(managers.in_order()) == ["a", "b", "c"]


def test_an_empty_list_is_no_news():
    managers = Managers(["a"])
    managers.replace([])
    assert managers.addresses == ("a",)
    managers.answered("a")
    managers.replace(["b"])
    assert managers.in_order() == ["b"]


def test_failures_arrive_as_what_they_were():
    for sent, kind in (
        (NameTaken("config", "x"), errors.AlreadyExists),
        (OutOfDate(), OutOfDate),
        (NoQuorum(), NoQuorum),
        (errors.SampanError("odd"), errors.Internal),
    ):
        status, body = faults.encode(sent)
        found = faults.decode(body)
        assert status >= 400
        assert isinstance(found, kind)
        assert found.message == sent.message


def test_what_isnt_understood_is_an_internal_failure():
    assert isinstance(faults.decode(b"<html>"), errors.Internal)
