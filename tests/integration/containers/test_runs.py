"""Containers from create to remove, on the real mechanisms."""

import pytest

pytestmark = pytest.mark.integration


def test_a_run_tells_its_story_in_order(play):
    async def scenario(world):
        identifier = await world.run("sh", "-c", "echo hello; exit 3", name="story")
        assert await world.ended(identifier) == 3
        assert world.log(identifier) == "hello\n"
        state = world.registry.get("story").state
        assert (state.status, state.exit_code) == ("exited", 3)
        await world.remover.remove("story")
        assert world.story(identifier) == ["create", "start", "die", "destroy"]
        die = next(one for one in world.events_of(identifier) if one.action == "die")
        assert die.attributes["exitCode"] == "3"
        assert die.attributes["execDuration"] == "0"

    play(scenario)
