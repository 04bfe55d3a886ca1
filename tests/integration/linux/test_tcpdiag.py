"""Connections seen and ended through sock_diag, in a network namespace of the test's own."""

import socket
import time

import pytest

from sampan.linux import namespaces, rtmessages, tcpdiag
from sampan.linux.netlink import Netlink

pytestmark = pytest.mark.integration


@pytest.fixture
def own_netns(tmp_path):
    path = tmp_path / "netns"
    namespaces.create_netns(path, _raise_loopback)
    with namespaces.entered_path(path):
        yield
    namespaces.remove_netns(path)


def _raise_loopback():
    with Netlink() as netlink:
        netlink.execute(rtmessages.set_up(netlink.get_link("lo").index))


def _pair():
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
    return client, accepted


def test_a_connection_is_found_from_both_sides_and_ended(own_netns):
    client, accepted = _pair()
    port = accepted.getsockname()[1]
    (near,) = tcpdiag.established(remote_port=port)
    (far,) = tcpdiag.established(local_port=port)
    assert near.local_port == far.remote_port == client.getsockname()[1]
    assert str(near.remote) == "127.0.0.1"
    assert near.repeats == 0

    tcpdiag.abort(near)

    with pytest.raises(ConnectionError):
        client.recv(1)
    tcpdiag.abort(near)  # has gone: no failure
    assert tcpdiag.established(remote_port=port) == []
    client.close()
    accepted.close()


def test_data_that_nobody_acknowledges_is_counted(own_netns):
    client, accepted = _pair()
    port = accepted.getsockname()[1]
    with Netlink() as netlink:
        netlink.execute(rtmessages.set_up(netlink.get_link("lo").index, up=False))
    client.send(b"anybody there?")
    deadline = time.monotonic() + 10
    while tcpdiag.established(remote_port=port)[0].repeats < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    client.close()
    accepted.close()
