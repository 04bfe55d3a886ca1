"""POST /build's query and the rendering of what a build tells."""

import asyncio
import errno

import pytest

from sampan.builder import progress
from sampan.builder.ops.exec import CommandFailed
from sampan.engine.build_messages import told
from sampan.engine.build_rendering import Renderer
from sampan.engine.build_request import parse_build_query
from sampan.errors import InvalidArgument


def test_reads_what_the_client_sends():
    request = parse_build_query(
        {
            "t": ["x:1", "y", "y:latest"],
            "buildargs": ['{"A": "1", "B": null}'],
            "labels": ['{"l": "v"}'],
            "nocache": ["1"],
            "q": ["true"],
            "networkmode": ["none"],
            "extrahosts": ["a:1.2.3.4", "b:1.2.3.5"],
            "shmsize": ["4194304"],
            "ulimits": ['[{"Name": "nofile", "Soft": 1, "Hard": 2}]'],
            "cachefrom": ["[]"],
            "rm": ["1"],
        },
        {},
    )
    assert [reference.familiar for reference in request.tags] == ["x:1", "y:latest"]
    assert request.build_args == {"A": "1", "B": None}
    assert not request.use_cache
    assert request.quiet
    assert request.host.ExtraHosts == ["a:1.2.3.4", "b:1.2.3.5"]
    assert request.host.Ulimits[0].Hard == 2


@pytest.mark.parametrize(
    "query",
    [
        {"t": ["Bad"]},
        {"buildargs": ["x"]},
        {"labels": ["[]"]},
        {"platform": ["foo"]},
        {"isolation": ["hyperv"]},
    ],
)
def test_refuses(query):
    with pytest.raises(InvalidArgument):
        parse_build_query(query, {})


def texts(*events):
    renderer = Renderer()
    return [message for event in events for message in renderer.render(event)]


def test_classic_lines():
    identifier = "0123456789ab" + "c" * 52
    assert texts(
        progress.StepStarted(1, 2, "RUN x"),
        progress.Running(identifier),
        progress.Output(b"out\n"),
        progress.Output(b"err\n", is_stderr=True),
        progress.RunEnded(identifier),
        progress.StepResult("sha256:" + identifier),
        progress.Triggers(1),
        progress.StageFinished("sha256:x"),
    ) == [
        {"stream": "Step 1/2 : RUN x\n"},
        {"stream": " ---> Running in 0123456789ab\n"},
        {"stream": "out\n"},
        {"stream": "\x1b[91merr\n\x1b[0m"},
        {"stream": " ---> Removed intermediate container 0123456789ab\n"},
        {"stream": " ---> 0123456789ab\n"},
        {"stream": "# Executing 1 build trigger\n"},
        {"aux": {"ID": "sha256:x"}},
    ]


def test_characters_split_between_writes():
    halves = "é".encode()
    assert texts(progress.Output(halves[:1]), progress.Output(halves[1:])) == [{"stream": "é"}]


def collect(work, *, quiet=False):
    async def run():
        return [message async for message in told(work, quiet=quiet)]

    return asyncio.run(run())


def test_early_failure_is_raised():
    async def work(messages):
        raise InvalidArgument("no")

    with pytest.raises(InvalidArgument):
        collect(work)


async def failing(messages):
    messages(progress.StepStarted(1, 1, "RUN exit 9"))
    raise CommandFailed(["/bin/sh", "-c", "exit 9"], 9)


def test_late_failure_is_the_last_object():
    text = "The command '/bin/sh -c exit 9' returned a non-zero code: 9"
    assert collect(failing) == [
        {"stream": "Step 1/1 : RUN exit 9\n"},
        {"errorDetail": {"code": 9, "message": text}, "error": text},
    ]


def test_quiet_build_tells_all_when_it_fails():
    assert len(collect(failing, quiet=True)) == 2


def test_reader_that_leaves_cancels_the_build():
    cancelled = []

    async def work(messages):
        messages(progress.StepStarted(1, 1, "RUN sleep"))
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def run():
        stream = told(work, quiet=False)
        await anext(stream)
        await stream.aclose()

    asyncio.run(run())
    assert cancelled


def test_full_disk_is_told():
    async def work(messages):
        messages(progress.StepStarted(1, 1, "COPY . /"))
        raise OSError(errno.ENOSPC, "No space left on device")

    assert "no space left on device" in collect(work)[-1]["error"]
