"""What is answered to a name query: bytes in, bytes out, no sockets.

Only the question of a packet is looked at. A query that isn't about our names is not understood
any further: it goes to the host's servers as it came (`dns_server`).

Wire format: RFC 1035; AAAA: RFC 3596. Names of containers never expire by themselves: a short
TTL would do, Docker says 600 seconds.
"""

import random
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from sampan.network.names import NameTable, View

A, PTR, AAAA, ANY = 1, 12, 28, 255
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
_CLASS_IN = 1
_TTL_S = 600
_UDP_LIMIT_BYTES = 512
_HEADER = struct.Struct(">HHHHHH")
_RESPONSE, _OPCODE, _TRUNCATED = 0x8000, 0x7800, 0x0200
_RECURSION_DESIRED, _RECURSION_AVAILABLE = 0x0100, 0x0080
_POINTER_TO_QUESTION = 0xC00C


@dataclass(frozen=True, slots=True)
class Question:
    name: str  # without the final dot
    kind: int
    end: int  # where the question ends in the packet


def parse_question(packet: bytes) -> Question | None:
    """The question of a plain query; None for anything else (which isn't answered at all)."""
    if len(packet) < _HEADER.size:
        return None
    _, flags, questions, _, _, _ = _HEADER.unpack_from(packet)
    if flags & (_RESPONSE | _OPCODE) or questions != 1:
        return None
    labels = []
    offset = _HEADER.size
    while offset < len(packet):
        length = packet[offset]
        offset += 1
        if length == 0:
            break
        if length > 63 or offset + length > len(packet):
            return None
        labels.append(packet[offset : offset + length].decode("latin-1"))
        offset += length
    if offset + 4 > len(packet):
        return None
    kind, class_ = struct.unpack_from(">HH", packet, offset)
    return Question(".".join(labels), kind, offset + 4) if class_ == _CLASS_IN else None


def reply(
    packet: bytes, question: Question, *, code: int, records: Sequence[tuple[int, bytes]] = ()
) -> bytes:
    """An answer to `packet`: (type, data) records about the name that was asked for."""
    number, flags, *_ = _HEADER.unpack_from(packet)
    flags = _RESPONSE | flags & _RECURSION_DESIRED | _RECURSION_AVAILABLE | code
    head = _HEADER.pack(number, flags, 1, len(records), 0, 0)
    parts = [head, packet[_HEADER.size : question.end]]
    for kind, data in records:
        fixed = struct.pack(">HHHIH", _POINTER_TO_QUESTION, kind, _CLASS_IN, _TTL_S, len(data))
        parts += (fixed, data)
    return b"".join(parts)


def truncate(answer: bytes, question: Question) -> bytes:
    """For UDP: an answer that doesn't fit says so and is asked for again by TCP."""
    if len(answer) <= _UDP_LIMIT_BYTES:
        return answer
    number, flags, *_ = _HEADER.unpack_from(answer)
    head = _HEADER.pack(number, flags | _TRUNCATED, 1, 0, 0, 0)
    return head + answer[_HEADER.size : question.end]


def failure(packet: bytes, question: Question) -> bytes:
    return reply(packet, question, code=SERVFAIL)


def answer(packet: bytes, question: Question, names: NameTable, view: View) -> bytes | None:
    """The answer if the question is ours to answer; None: ask the servers outside.

    A name that exists always gets an answer, an empty one if it has no address of the kind asked
    for: resolvers ask for A and AAAA together and take a missing answer for a failure.
    """
    if question.kind == PTR:
        found = names.reverse(view, _reversed_address(question.name))
        if found:
            return reply(packet, question, code=NOERROR, records=[(PTR, _encode_name(found))])
    else:
        endpoints = names.resolve(view, question.name)
        if endpoints:
            texts = [text for end in endpoints for text in (end.ipv4, end.ipv6)]
            return reply(packet, question, code=NOERROR, records=_addresses(texts, question.kind))
        host = view.hosts.get(question.name.lower())
        if host:
            return reply(packet, question, code=NOERROR, records=_addresses(host, question.kind))
    if view.forwards:
        return None
    return reply(packet, question, code=NXDOMAIN)


def refused(answer: bytes) -> bool:
    """Whether a server outside gave up: another one may know more."""
    return len(answer) < _HEADER.size or answer[3] & 0x0F in {SERVFAIL, REFUSED}


def _addresses(texts: Iterable[str], kind: int) -> list[tuple[int, bytes]]:
    found = []
    for text in filter(None, texts):
        record = AAAA if ":" in text else A
        if kind in {record, ANY}:
            found.append((record, ip_address(text).packed))
    random.shuffle(found)  # clients that take the first one spread over all
    return found


def _reversed_address(name: str) -> str:
    """The address in a PTR question: 2.0.18.172.in-addr.arpa, or nibbles under ip6.arpa."""
    lowered = name.lower()
    try:
        if lowered.endswith(".in-addr.arpa"):
            parts = lowered.removesuffix(".in-addr.arpa").split(".")
            return str(ip_address(".".join(reversed(parts))))
        if lowered.endswith(".ip6.arpa"):
            nibbles = lowered.removesuffix(".ip6.arpa").split(".")
            return str(ip_address(bytes.fromhex("".join(reversed(nibbles)))))
    except ValueError:
        pass
    return ""


def _encode_name(name: str) -> bytes:
    labels = [label.encode("latin-1", "replace")[:63] for label in name.split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
