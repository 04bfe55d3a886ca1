"""Placement constraints: `node.labels.zone == a`, and the platforms of an image.

The grammar, its error texts and its comparison (without regard to case, no patterns) are
swarmkit's. `==` is looked for before `!=`. A key that isn't known never matches.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from sampan.errors import InvalidArgument
from sampan.swarm.model import Node
from sampan.wire.services import PlatformSpec

OPERATORS = ("==", "!=")
NODE_LABELS = "node.labels."
ENGINE_LABELS = "engine.labels."

_KEY = re.compile(r"[a-z_][a-z0-9\-_.]+", re.IGNORECASE)
_VALUE = re.compile(r"[a-z0-9:\-_\s.*()?+\[\]\\^$|/]+", re.IGNORECASE)
_GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Constraint:
    key: str
    equal: bool
    value: str

    def meets(self, found: str) -> bool:
        return (self.value.casefold() == found.casefold()) == self.equal


def parse(texts: Iterable[str]) -> list[Constraint]:
    """Raises InvalidArgument."""
    return [_parse_one(text) for text in texts]


def _parse_one(text: str) -> Constraint:
    for operator in OPERATORS:
        if operator not in text:
            continue
        key, _, value = (part.strip() for part in text.partition(operator))
        if not _KEY.fullmatch(key):
            raise InvalidArgument(f"key '{key}' is invalid")
        if not _VALUE.fullmatch(value):
            raise InvalidArgument(f"value '{value}' is invalid")
        return Constraint(key, operator == "==", value)
    raise InvalidArgument(f"constraint expected one operator from {', '.join(OPERATORS)}")


def node_matches(texts: Iterable[str], node: Node) -> bool:
    """All of them hold. Texts that aren't constraints don't count: the API refuses them."""
    try:
        parsed = parse(texts)
    except InvalidArgument:
        return True
    return all_hold(parsed, node)


def all_hold(parsed: Iterable[Constraint], node: Node) -> bool:
    return all(_holds(each, node) for each in parsed)


def _holds(constraint: Constraint, node: Node) -> bool:
    key = constraint.key.casefold()
    if key == "node.ip":
        return _meets_address(constraint, node.status.addr)
    if key.startswith(NODE_LABELS):
        labels = node.spec.Labels or {}
        return constraint.meets(labels.get(constraint.key[len(NODE_LABELS) :], ""))
    if key.startswith(ENGINE_LABELS):
        engine = node.description.engine_labels
        return constraint.meets(engine.get(constraint.key[len(ENGINE_LABELS) :], ""))
    found = {
        "node.id": node.id,
        "node.hostname": node.description.hostname,
        "node.role": node.role,
        "node.platform.os": node.description.os,
        "node.platform.arch": node.description.architecture,
    }.get(key)
    return found is not None and constraint.meets(found)


def _meets_address(constraint: Constraint, found: str) -> bool:
    """An address is a subnet of one; a text that is neither never matches."""
    try:
        inside = ip_address(found) in ip_network(constraint.value, strict=False)
    except ValueError:
        return False
    return inside == constraint.equal


def runs_platform(platforms: Sequence[PlatformSpec], node: Node) -> bool:
    """One of them fits; an empty list, or an empty member, fits every node."""
    if not platforms:
        return True
    own = _go_name(node.description.architecture)
    return any(
        (not each.Architecture or _go_name(each.Architecture) == own)
        and (not each.OS or node.description.os == each.OS)
        for each in platforms
    )


def label_value(descriptor: str, node: Node) -> str:
    """What a spread preference spreads over; nodes without the label share the empty text."""
    if descriptor.casefold().startswith(NODE_LABELS):
        return (node.spec.Labels or {}).get(descriptor[len(NODE_LABELS) :], "")
    if descriptor.casefold().startswith(ENGINE_LABELS):
        return node.description.engine_labels.get(descriptor[len(ENGINE_LABELS) :], "")
    return ""


def _go_name(architecture: str) -> str:
    return _GO_ARCHITECTURES.get(architecture, architecture)
