from ipaddress import ip_address

from sampan.linux.tcpdiag import Connection
from sampan.swarm.etcd.members import Member
from sampan.swarm.etcd.silence import REPEATS, peers, silent

OWN_PORT = 7946


def _connection(remote, *, local_port=40000, remote_port=7946, repeats=REPEATS):
    return Connection(
        local_port=local_port,
        remote=ip_address(remote),
        remote_port=remote_port,
        repeats=repeats,
        family=2,
        id=b"",
    )


def test_peers_are_the_members_addresses():
    urls = ("https://10.0.0.2:7946", "https://[fd00::2]:9000", "https://name.example:7946", "")
    members = [Member(id="1", name="", peer_url=url, is_learner=False) for url in urls]
    assert peers(members) == {("10.0.0.2", 7946), ("fd00::2", 9000)}


def test_only_silent_connections_with_members_are_chosen():
    known = frozenset({("10.0.0.2", 7946)})
    outgoing = _connection("10.0.0.2")
    incoming = _connection("10.0.0.2", local_port=OWN_PORT, remote_port=50000)
    others = [
        _connection("10.0.0.2", repeats=REPEATS - 1),
        _connection("10.0.0.2", remote_port=22),
        _connection("10.0.0.9"),
        _connection("10.0.0.9", local_port=OWN_PORT, remote_port=50000),
    ]
    assert silent([outgoing, incoming, *others], OWN_PORT, known) == [outgoing, incoming]
