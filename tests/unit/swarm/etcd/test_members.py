import pytest

from sampan.swarm.etcd.members import LastManager, LossOfQuorum, check_removal, quorum


def test_quorum_is_a_majority():
    assert [quorum(count) for count in range(1, 8)] == [1, 2, 2, 3, 3, 4, 4]


@pytest.mark.parametrize(
    ("reachable", "refusal"),
    [
        ({"a": True}, LastManager),
        ({"a": True, "b": True}, None),
        ({"a": True, "b": False}, LossOfQuorum),
        ({"a": False, "b": True}, None),
        ({"a": True, "b": True, "c": True}, None),
        ({"a": True, "b": True, "c": False}, LossOfQuorum),
        ({"a": False, "b": True, "c": True}, None),
        ({"a": True, "b": True, "c": True, "d": False, "e": True}, None),
        ({"a": True, "b": True, "c": True, "d": False, "e": False}, LossOfQuorum),
    ],
)
def test_who_may_go(reachable, refusal):
    if refusal is None:
        check_removal(reachable, "a")
    else:
        with pytest.raises(refusal):
            check_removal(reachable, "a")
