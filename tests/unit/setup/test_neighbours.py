import socket
from ipaddress import ip_network

import pytest

from sampan.network.model import DEFAULT_ADDRESS_POOLS
from sampan.setup import neighbours
from sampan.setup.findings import Status


def test_a_socket_answers_while_somebody_listens(tmp_path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        assert not neighbours.answers(path)
        server.listen()
        assert neighbours.answers(path)
    assert not neighbours.answers(path)


def test_other_engines_are_known_by_socket_or_bridge(tmp_path, monkeypatch):
    monkeypatch.setattr(neighbours, "_SOCKETS", {"dockerd": tmp_path / "docker.sock"})
    assert neighbours.engines(tmp_path) == []
    (tmp_path / "docker0").touch()
    assert neighbours.engines(tmp_path) == ["dockerd (its bridge docker0)"]
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "docker.sock"))
        server.listen()
        assert neighbours.engines(tmp_path) == ["dockerd"]


def test_subnets_dodge_the_routes_of_the_machine():
    found = neighbours.subnets([ip_network("172.17.0.0/16")], ours=False)
    assert (found.status, found.found) == (Status.OK, "room in 172.18.0.0/16")


@pytest.mark.parametrize(("ours", "status"), [(False, Status.MISSING), (True, Status.OK)])
def test_without_a_free_subnet_no_engine_starts(ours, status):
    everything = [ip_network(base) for base, _ in DEFAULT_ADDRESS_POOLS]
    found = neighbours.subnets(everything, ours=ours)
    assert found.status is status
    assert ours or "--bip" in found.remedy
