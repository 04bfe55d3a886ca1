"""Message frames and statuses of gRPC."""

import pytest

from sampan.rpc.framing import BadFrame, Deframer, frame, read_trailers, trailers
from sampan.wire.buildkit.common import AnyValue, Code, Status


@pytest.mark.parametrize("step", [1, 3, 8, 1000])
def test_messages_come_out_however_they_are_cut(step):
    messages = [b"", b"one", b"x" * 300]
    data = b"".join(frame(message) for message in messages)
    deframer, found = Deframer(), []
    for start in range(0, len(data), step):
        found += deframer.feed(data[start : start + step])
    assert found == messages


@pytest.mark.parametrize("header", [b"\x01\0\0\0\x01x", b"\0\xff\xff\xff\xff"])
def test_compressed_and_huge_messages_are_refused(header):
    with pytest.raises(BadFrame):
        Deframer().feed(header)


@pytest.mark.parametrize("text", ["", "plain", 'process "a": 100% übel\n', "a\tb"])
def test_statuses_survive_their_trailers(text):
    status = Status(Code.UNKNOWN, text, [AnyValue("type", b"\0\xff")])
    headers = dict(trailers(status))
    assert all(value.isascii() and value.isprintable() for value in headers.values())
    assert read_trailers(headers) == status


def test_a_missing_status_is_unknown():
    assert read_trailers({}).code == Code.UNKNOWN
    assert read_trailers({"grpc-status": "0", "grpc-status-details-bin": "!"}).code == Code.OK
