import asyncio

import pytest

from sampan.engine.images.progress import bar, render, status
from sampan.engine.images.reporting import Bars, reported
from sampan.errors import NotFound


def collect(work):
    async def main():
        return [item async for item in reported(work)]

    return asyncio.run(main())


def test_objects_come_in_order():
    async def work(report):
        for number in range(3):
            report(status(str(number)))

    assert [item["status"] for item in collect(work)] == ["0", "1", "2"]


def test_a_failure_is_raised_after_what_was_reported():
    async def work(report):
        report(status("begun"))
        raise NotFound("nothing")

    async def main():
        stream = reported(work)
        assert await anext(stream) == status("begun")
        with pytest.raises(NotFound):
            await anext(stream)

    asyncio.run(main())


def test_a_slow_reader_gets_the_newest_bar_in_its_place():
    async def work(report):
        for current in range(1, 100):
            report(bar("Downloading", "a", current, 100))
        report(status("Download complete", "a"))
        report(bar("Extracting", "a", 5, 100))

    found = collect(work)
    assert [(i["status"], i["progressDetail"].get("current")) for i in found] == [
        ("Download complete", None),
        ("Extracting", 5),
    ]


def test_a_reader_that_leaves_cancels_the_work():
    state = []

    async def work(report):
        report(status("begun"))
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            state.append("cancelled")
            raise

    async def main():
        stream = reported(work)
        await anext(stream)
        await stream.aclose()
        assert state == ["cancelled"]

    asyncio.run(main())


def test_bars_are_rationed_but_the_last_one_is_shown():
    sent, now = [], [0.0]
    bars = Bars(sent.append, clock=lambda: now[0])
    for current in range(1, 11):
        now[0] += 0.03
        bars.show("Downloading", "a", current, 10)
    assert [item["progressDetail"]["current"] for item in sent] == [1, 5, 9, 10]


@pytest.mark.parametrize(
    ("current", "total", "expected"),
    [  # recorded from dockerd 20.10
        (512, 4, "[==================================================>]     512B"),
        (36352, 1982293, "[>                                                  ]  36.35kB/1.982MB"),
        (
            1314304,
            1982293,
            "[=================================>                 ]  1.314MB/1.982MB",
        ),
        (109, 109, "[==================================================>]     109B/109B"),
        (1000000, 1000000, "[==================================================>]      1MB/1MB"),
    ],
)
def test_bars_look_as_dockers(current, total, expected):
    assert render(current, total) == expected
