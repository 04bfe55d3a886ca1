"""POST /build's query, checked: what to build and how.

Names are the API's (v1.51 ImageBuild). Switches are Docker's: everything but "", 0, no, false and
none is on. Numbers that can't be read count as 0, JSON that can't be read is an error, both as
dockerd has it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from sampan.errors import InvalidArgument
from sampan.oci.platform import Platform, parse_platform
from sampan.oci.reference import Reference, parse_reference
from sampan.registry.keychain import Credentials
from sampan.wire.containers import HostSettings, Ulimit

Query = Mapping[str, Sequence[str]]

_OFF = frozenset({"", "0", "no", "false", "none"})
DEFAULT_DOCKERFILE = "Dockerfile"


class UnreadableParameter(InvalidArgument):
    def __init__(self, what: str, error: Exception) -> None:
        super().__init__(f"error reading {what}: {error}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """`host` carries the limits and the network of RUN steps; `remote` replaces the body."""

    tags: tuple[Reference, ...] = ()
    dockerfile: str = ""
    remote: str = ""
    quiet: bool = False
    use_cache: bool = True
    pull: bool = False
    squash: bool = False
    target: str = ""
    cache_from: tuple[str, ...] = ()
    platform: Platform | None = None
    build_args: Mapping[str, str | None]
    labels: Mapping[str, str]
    host: HostSettings
    credentials: Mapping[str, Credentials]


def parse_build_query(query: Query, credentials: Mapping[str, Credentials]) -> BuildRequest:
    """`credentials` are those of X-Registry-Config. Raises InvalidArgument, Unsupported."""
    _refuse_unbuilt(query)
    platform = _text(query, "platform")
    return BuildRequest(
        tags=_tags(query),
        dockerfile=_text(query, "dockerfile"),
        remote=_text(query, "remote"),
        quiet=_switch(query, "q"),
        use_cache=not _switch(query, "nocache"),
        pull=_switch(query, "pull"),
        squash=_switch(query, "squash"),
        target=_text(query, "target"),
        cache_from=tuple(_json(query, "cachefrom", "cache-from", list[str]) or ()),
        platform=parse_platform(platform) if platform else None,
        build_args=_json(query, "buildargs", "build args", dict[str, str | None]) or {},
        labels=_json(query, "labels", "labels", dict[str, str]) or {},
        host=_host(query),
        credentials=credentials,
    )


def _refuse_unbuilt(query: Query) -> None:
    isolation = _text(query, "isolation")
    if isolation not in {"", "default"}:
        raise InvalidArgument(f'unsupported isolation: "{isolation}"')
    if _json(query, "outputs", "outputs", list[dict[str, Any]]):
        raise InvalidArgument("exporting build results requires BuildKit")


def _host(query: Query) -> HostSettings:
    ulimits = _json(query, "ulimits", "ulimit settings", list[Ulimit])
    return HostSettings(
        NetworkMode=_text(query, "networkmode"),
        ExtraHosts=list(query.get("extrahosts", ())) or None,
        ShmSize=_number(query, "shmsize"),
        Memory=_number(query, "memory"),
        MemorySwap=_number(query, "memswap"),
        CpuShares=_number(query, "cpushares"),
        CpuPeriod=_number(query, "cpuperiod"),
        CpuQuota=_number(query, "cpuquota"),
        CpusetCpus=_text(query, "cpusetcpus"),
        CpusetMems=_text(query, "cpusetmems"),
        CgroupParent=_text(query, "cgroupparent"),
        SecurityOpt=_json(query, "securityopt", "security options", list[str]),
        Ulimits=ulimits,
    )


def _tags(query: Query) -> tuple[Reference, ...]:
    found: dict[str, Reference] = {}
    for text in query.get("t", ()):
        if not text:
            continue
        reference = parse_reference(text)
        if reference.digest is not None:
            raise InvalidArgument("build tag cannot contain a digest")
        reference = reference.with_default_tag()
        found[str(reference)] = reference
    return tuple(found.values())


def _text(query: Query, name: str) -> str:
    values = query.get(name, ())
    return values[0] if values else ""


def _switch(query: Query, name: str) -> bool:
    return _text(query, name).strip().lower() not in _OFF


def _number(query: Query, name: str) -> int:
    try:
        return int(_text(query, name))
    except ValueError:
        return 0


def _json(query: Query, name: str, what: str, kind: Any) -> Any:
    """None when absent or null. Any: the type is the caller's."""
    text = _text(query, name)
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=kind | None)
    except msgspec.MsgspecError as error:
        raise UnreadableParameter(what, error) from error
