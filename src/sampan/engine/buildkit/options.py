"""The attributes of a frontend request, checked: what to build and how.

    filename, target, platform, no-cache, image-resolve-mode, build-arg:NAME, label:NAME
    requestid                                          frontend.lint: check the Dockerfile only
    contextkey, dockerfilekey, local-sessionid:NAME    where files come from
    context                                            a URL, instead of the client's files
    context:NAME                                       what a FROM or --from of that name means
    force-network-mode, add-hosts, shm-size, ulimit, cgroup-parent    how RUN steps run

Names and formats are those of BuildKit's dockerfile.v0 frontend (frontend/dockerui). What isn't in
the list says something about provenance, caches or clients, and changes nothing here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sampan.errors import InvalidArgument, Unsupported
from sampan.oci.platform import Platform, parse_platform
from sampan.wire.containers import HostSettings, Ulimit

DEFAULT_DOCKERFILE = "Dockerfile"
DOCKERFILE_FRONTEND = "dockerfile.v0"
GATEWAY_FRONTEND = "gateway.v0"

_BUILD_ARG, _LABEL, _CONTEXT, _SESSION = "build-arg:", "label:", "context:", "local-sessionid:"
EXPLAIN_ARGUMENT = "SAMPAN_EXPLAIN"
LINT_REQUEST = "frontend.lint"
_NETWORKS = {"": "", "default": "", "host": "host", "none": "none"}


class BadAttribute(InvalidArgument):
    def __init__(self, name: str, value: str) -> None:
        super().__init__(f"invalid value {value!r} for {name}")


class UnsupportedFrontend(Unsupported):
    def __init__(self, name: str) -> None:
        super().__init__(f'frontend "{name}" is not supported: this engine builds Dockerfiles only')


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontendOptions:
    """`sessions`: for which of the client's directories another session is to be asked."""

    filename: str
    target: str
    build_args: Mapping[str, str | None]
    labels: Mapping[str, str]
    use_cache: bool
    no_cache_stages: frozenset[str]
    pull: bool
    platform: Platform | None
    host: HostSettings
    context_directory: str
    dockerfile_directory: str
    remote: str
    sessions: Mapping[str, str]
    named: Mapping[str, str]
    ignored_syntax: str
    explain: bool  # say of each step why it isn't cached
    lints: bool  # only check the Dockerfile


def parse_options(frontend: str, attributes: Mapping[str, str]) -> FrontendOptions:
    """Raises UnsupportedFrontend, Unsupported, InvalidArgument."""
    if frontend not in {DOCKERFILE_FRONTEND, GATEWAY_FRONTEND}:
        raise UnsupportedFrontend(frontend)
    _refuse(attributes)
    platform = attributes.get("platform", "")
    return FrontendOptions(
        filename=attributes.get("filename", "") or DEFAULT_DOCKERFILE,
        target=attributes.get("target", ""),
        build_args={
            name: value
            for name, value in _prefixed(attributes, _BUILD_ARG).items()
            if name != EXPLAIN_ARGUMENT
        },
        labels=_prefixed(attributes, _LABEL),
        use_cache=attributes.get("no-cache") != "",
        no_cache_stages=frozenset(
            name.strip().lower() for name in attributes.get("no-cache", "").split(",") if name
        ),
        pull=attributes.get("image-resolve-mode", "") == "pull",
        platform=parse_platform(platform) if platform else None,
        host=_host(attributes),
        context_directory=attributes.get("contextkey", "") or "context",
        dockerfile_directory=attributes.get("dockerfilekey", "") or "dockerfile",
        remote=attributes.get("context", ""),
        sessions=_prefixed(attributes, _SESSION),
        named=_prefixed(attributes, _CONTEXT),
        ignored_syntax=attributes.get("source", "") if frontend == GATEWAY_FRONTEND else "",
        explain=attributes.get(_BUILD_ARG + EXPLAIN_ARGUMENT, "") not in {"", "0", "false"},
        lints=attributes.get("requestid", "") == LINT_REQUEST,
    )


def _refuse(attributes: Mapping[str, str]) -> None:
    request = attributes.get("requestid", "")
    if request not in {"", LINT_REQUEST}:
        raise Unsupported(f"the frontend request {request} is not supported by this engine")
    if "," in attributes.get("platform", ""):
        raise Unsupported("building for several platforms at once is not supported by this engine")


def _prefixed(attributes: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {
        name.removeprefix(prefix): value
        for name, value in attributes.items()
        if name.startswith(prefix)
    }


def _host(attributes: Mapping[str, str]) -> HostSettings:
    network = attributes.get("force-network-mode", "")
    if network not in _NETWORKS:
        raise BadAttribute("force-network-mode", network)
    return HostSettings(
        NetworkMode=_NETWORKS[network],
        ExtraHosts=_extra_hosts(attributes.get("add-hosts", "")) or None,
        ShmSize=_number("shm-size", attributes.get("shm-size", "")),
        Ulimits=_ulimits(attributes.get("ulimit", "")) or None,
        CgroupParent=attributes.get("cgroup-parent", ""),
    )


def _extra_hosts(text: str) -> list[str]:
    """`name=address,...` to Docker's `name:address`."""
    found = []
    for entry in filter(None, text.split(",")):
        name, equals, address = entry.partition("=")
        if not equals:
            raise BadAttribute("add-hosts", entry)
        found.append(f"{name}:{address}")
    return found


def _ulimits(text: str) -> list[Ulimit]:
    """`name=soft:hard,...`."""
    found = []
    for entry in filter(None, text.split(",")):
        name, _, limits = entry.partition("=")
        soft, _, hard = limits.partition(":")
        number = _number("ulimit", soft)
        found.append(Ulimit(Name=name, Soft=number, Hard=_number("ulimit", hard or soft)))
    return found


def _number(name: str, text: str) -> int:
    try:
        return int(text or "0")
    except ValueError:
        raise BadAttribute(name, text) from None
