"""Three machines on a switch, and a service on two of them."""

import pytest

from integration.network.overlay.hosts import (
    FAR,
    FAR_ADDRESS,
    SHELL,
    SHELL_ADDRESS,
    WEB,
    WEB_ADDRESS,
    Host,
    Swarm,
)
from integration.swarm.lab import Wires


@pytest.fixture
async def swarm(tmp_path):
    wires = Wires(tmp_path, 3)
    wires.start()
    hosts = [Host(wires, number, tmp_path) for number in range(3)]
    try:
        for host in hosts:
            await host.service.start()
        made = Swarm(hosts)
        made.wires = wires
        yield made
        for host in hosts:
            await host.close()
    finally:
        wires.close()


@pytest.fixture
async def front(swarm):
    """`web` on two hosts, and a shell beside the first."""
    await swarm.tell(swarm.front)
    near, far, _ = swarm.hosts
    await near.run(WEB, WEB_ADDRESS)
    await near.run(SHELL, SHELL_ADDRESS)
    await far.run(FAR, FAR_ADDRESS)
    return swarm
