"""The protobuf codec, against bytes of the format's own documentation and of real clients."""

from dataclasses import dataclass

import pytest

from sampan.wire.buildkit.common import Definition, Timestamp, timestamp
from sampan.wire.buildkit.control import (
    CacheOptions,
    Exporter,
    SolveRequest,
    StatusResponse,
    VertexLog,
    VertexRecord,
)
from sampan.wire.buildkit.protobuf import BadMessage, Message, boolean, decode, encode, integer
from sampan.wire.buildkit.session import Packet, PacketType, Stat


@dataclass(slots=True)
class Numbers(Message):
    value: int = integer(1)
    flag: bool = boolean(2)


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (0, b""),
        (1, b"\x08\x01"),
        (150, b"\x08\x96\x01"),
        (-1, b"\x08" + b"\xff" * 9 + b"\x01"),
        (2**63 - 1, b"\x08" + b"\xff" * 8 + b"\x7f"),
    ],
)
def test_numbers(value, data):
    assert encode(Numbers(value)) == data
    assert decode(Numbers, data).value == value


def test_defaults_are_not_written_but_an_empty_message_is():
    assert encode(Numbers(0, flag=False)) == b""
    assert encode(SolveRequest(Cache=CacheOptions())) == b"\x42\x00"
    assert decode(SolveRequest, b"").Cache is None


def test_a_request_survives():
    request = SolveRequest(
        Ref="r",
        definition=Definition([b"\x00\xff", b""]),
        FrontendAttrs={"filename": "Dockerfile", "no-cache": ""},
        FrontendInputs={"i": Definition([b"x"])},
        Exporters=[Exporter("moby", {"name": "a"}), Exporter("moby")],
    )
    assert decode(SolveRequest, encode(request)) == request


def test_progress_survives():
    update = StatusResponse(
        vertexes=[
            VertexRecord("sha256:a", ["b"], "n", cached=True, started=timestamp(1_500_000_000))
        ],
        logs=[VertexLog("sha256:a", None, 2, b"\xff\n")],
    )
    found = decode(StatusResponse, encode(update))
    assert found == update
    assert found.vertexes[0].started == Timestamp(1, 500_000_000)


def test_a_packet_of_a_real_client():
    data = bytes.fromhex("121b0a0a446f636b657266696c6510a4032865308098bcf5c6f9b0f518")
    packet = decode(Packet, data)
    assert packet.type == PacketType.STAT
    assert packet.stat is not None
    assert (packet.stat.path, packet.stat.mode, packet.stat.size) == ("Dockerfile", 0o644, 101)


def test_names_that_are_not_utf8_survive():
    stat = Stat(path="caf\udce9")
    assert decode(Stat, encode(stat)) == stat


def test_unknown_fields_of_every_wire_type_are_passed_over():
    extra = b"\x50\x05" + b"\x59" + b"\0" * 8 + b"\x62\x01x" + b"\x6d" + b"\0" * 4
    assert decode(Numbers, extra + b"\x08\x07" + extra).value == 7


@pytest.mark.parametrize(
    "data",
    [
        b"\x08",  # a key without a value
        b"\x08\xff",  # a number without an end
        b"\x08" + b"\xff" * 11,
        b"\x0a\x05ab",  # shorter than it says
        b"\x0a\x01a",  # text where a number belongs
        b"\x0b",  # a group
    ],
)
def test_damage_is_an_error(data):
    with pytest.raises(BadMessage):
        decode(Numbers, data)
