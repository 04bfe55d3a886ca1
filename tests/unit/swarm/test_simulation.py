"""The large simulation, reduced: its steps grow as its size does."""

from simulation.large import Phase, large
from simulation.swarm import Swarm, spec
from simulation.virtual import run


def _steps(phases: list[Phase]) -> list[int]:
    return [phase.steps for phase in phases]


def test_no_step_is_quadratic_in_tasks_and_nodes() -> None:
    small = run(large(nodes=20, tasks=200))
    big = run(large(nodes=80, tasks=800))
    for one, other in zip(small, big, strict=True):
        assert other.steps <= 4.6 * one.steps, one.name


def test_no_step_is_quadratic_in_services() -> None:
    few = run(large(nodes=40, tasks=200, services=10))
    many = run(large(nodes=40, tasks=800, services=40))
    for one, other in zip(few, many, strict=True):
        assert other.steps <= 4.6 * one.steps, one.name


def test_placement_is_even() -> None:
    created, moved, *_ = run(large(nodes=20, tasks=200))
    assert created.spread == (10, 10)
    assert moved.spread[1] - moved.spread[0] <= 1


def test_one_to_fifty_over_three_nodes_takes_a_moment() -> None:
    async def play(count: int) -> float:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(3)
            service_id = await swarm.create(spec(replicas=1))
            await swarm.until_running(service_id, 1)
            await swarm.scale(service_id, count)
            return await swarm.until_running(service_id, count)

    assert run(play(50)) == run(play(200)) < 1  # virtual: agents take half a second for each
