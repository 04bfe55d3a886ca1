"""Docker CLIs before 23 post a context from standard input beside the request of the build."""

import io
import json
import tarfile
from concurrent.futures import ThreadPoolExecutor

import pytest

pytestmark = pytest.mark.integration


def context() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, text in (("Dockerfile", b"FROM busybox\nCOPY f /f\n"), ("f", b"posted\n")):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    return out.getvalue()


def posted(engine, query: str, body: bytes = b""):
    connection = engine.http()
    connection.request("POST", f"/v1.41/build?version=2&{query}", body)
    answer = connection.getresponse()
    objects = [json.loads(line) for line in answer.read().splitlines()]
    connection.close()
    return answer.status, objects


@pytest.mark.parametrize("upload_first", [True, False])
def test_the_two_requests_meet(engine, upload_first):
    upload = ("buildid=upload-request%3Ab1", context())
    build = ("buildid=b1&remote=upload-request&t=posted",)
    with ThreadPoolExecutor(2) as pool:
        requests = (upload, build) if upload_first else (build, upload)
        first, second = [pool.submit(posted, engine, *request) for request in requests]
    told = (first if not upload_first else second).result()
    assert (first if upload_first else second).result() == (200, [])
    assert told[1][-1]["id"] == "moby.image.id"
    assert engine.docker("run", "--rm", "posted", "cat", "/f").stdout == "posted\n"
