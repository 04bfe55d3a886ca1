"""The route table as data, and finding the row for a request.

A template is literal text with `{id}` (one segment), `{name:.*}` (greedy: image names contain
slashes and colons) between. Literal templates win over those with holes, those over greedy ones;
else the first row that fits wins, so that routers list the narrower ones first. Lookup is one dict
access for literals and otherwise a walk over the few rows with the same method and first segment.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from sampan.wire.versions import MINIMUM, ApiVersion

if TYPE_CHECKING:
    from sampan.server.call import Call

Handler = Callable[["Call"], Awaitable[web.StreamResponse]]

_HOLE = re.compile(r"\{(\w+)(?::(\.\*))?\}")


@dataclass(frozen=True, slots=True)
class Route:
    """`since`: the first API version that has it; older callers get 'page not found'."""

    method: str
    template: str
    handler: Handler
    since: ApiVersion = MINIMUM


def _pattern(template: str) -> re.Pattern[str]:
    parts, position = [], 0
    for hole in _HOLE.finditer(template):
        parts.append(re.escape(template[position : hole.start()]))
        parts.append(f"(?P<{hole[1]}>{'.+' if hole[2] else '[^/]+'})")
        position = hole.end()
    parts.append(re.escape(template[position:]))
    return re.compile("".join(parts))


def _is_greedy(route: Route) -> bool:
    return any(hole[2] for hole in _HOLE.finditer(route.template))


def _first_segment(path: str) -> str:
    end = path.find("/", 1)
    return path if end < 0 else path[:end]


class RouteTable:
    """Immutable after construction."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._literal: dict[tuple[str, str], Route] = {}
        self._open: dict[tuple[str, str], list[tuple[re.Pattern[str], Route]]] = {}
        for route in sorted(routes, key=_is_greedy):  # sorting is stable
            if "{" not in route.template:
                self._literal[route.method, route.template] = route
            else:
                key = (route.method, _first_segment(route.template))
                self._open.setdefault(key, []).append((_pattern(route.template), route))

    def find(
        self, method: str, path: str, version: ApiVersion
    ) -> tuple[Route, Mapping[str, str]] | None:
        literal = self._literal.get((method, path))
        if literal is not None and version >= literal.since:
            return literal, {}
        for pattern, route in self._open.get((method, _first_segment(path)), ()):
            match = pattern.fullmatch(path)
            if match is not None and version >= route.since:
                return route, match.groupdict()
        return None
