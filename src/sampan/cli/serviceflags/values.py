"""Values of single flags of services: ports, networks, secrets, configs, preferences.

Each function reads one flag's text and returns the API's document; its ValueError becomes the
message. `-p` takes the short form (with ranges) and the long one.
"""

from __future__ import annotations

from sampan.cli.runflags.mounts import fields_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]

FILE_MODE = 0o444
_FORM = "invalid field '{}' must be a key=value pair"
_PROTOCOLS = frozenset({"tcp", "udp", "sctp"})


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = []
    for field in fields_of(text):
        key, equals, value = field.partition("=")
        if not equals:
            raise ValueError(_FORM.format(field))
        pairs.append((key.strip().lower(), value.strip()))
    return pairs


def ports(text: str) -> list[Document]:
    """One flag may mean a range of ports."""
    if "=" in text:
        return [_long_port(text)]
    from sampan.cli.runflags.ports import parse_published
    from sampan.errors import InvalidArgument

    try:
        pairs = parse_published(text)
    except InvalidArgument as error:
        raise ValueError(error.message) from error
    found = []
    for container, binding in pairs:
        if binding["HostIp"]:
            raise ValueError("hostip is not supported")
        target, _, protocol = container.partition("/")
        published = binding["HostPort"]
        if "-" in published:
            first, _, last = published.partition("-")
            numbers = [str(number) for number in range(int(first), int(last) + 1)]
        else:
            numbers = [published]
        for number in numbers:
            port: Document = {"Protocol": protocol, "TargetPort": int(target)}
            if number:
                port["PublishedPort"] = int(number)
            found.append({**port, "PublishMode": "ingress"})
    return found


def _long_port(text: str) -> Document:
    port: Document = {"Protocol": "tcp", "PublishMode": "ingress"}
    for key, value in _pairs(text):
        if key == "protocol":
            if value not in _PROTOCOLS:
                raise ValueError(f"invalid protocol value '{value}' for --publish")
            port["Protocol"] = value
        elif key == "mode":
            if value not in {"ingress", "host"}:
                raise ValueError(
                    f"invalid publish mode value ({value}): must be either 'ingress' or 'host'"
                )
            port["PublishMode"] = value
        elif key in {"target", "published"}:
            if not value.isdecimal() or int(value) > 0xFFFF:
                raise ValueError(f"invalid {key} port ({value}): value must be an integer")
            port["TargetPort" if key == "target" else "PublishedPort"] = int(value)
        else:
            raise ValueError(f"invalid field key: {key}")
    if "TargetPort" not in port:
        raise ValueError(f"missing mandatory field '{'target'}'")
    return port


def network(text: str) -> Document:
    from sampan.cli.runflags.networks import parse_network

    found = parse_network(text)
    document: Document = {"Target": found.name}
    if found.aliases:
        document["Aliases"] = found.aliases
    if found.driver_opts:
        document["DriverOpts"] = found.driver_opts
    return document


def file_reference(text: str) -> Document:
    """A secret or config: its name, or source=..,target=..,uid=..,gid=..,mode=0400."""
    found: Document = {"source": "", "target": "", "uid": "0", "gid": "0", "mode": FILE_MODE}
    if "=" not in text and "," not in text:
        found["source"] = found["target"] = text
        return found
    for key, value in _pairs(text):
        name = {"src": "source", "dst": "target"}.get(key, key)
        if name == "mode":
            try:
                found["mode"] = int(value.removeprefix("0o"), 8)
            except ValueError as error:
                raise ValueError(f"invalid mode specified: {value}") from error
        elif name in found:
            found[name] = value
        else:
            raise ValueError(f"invalid field in secret request: {key}")
    if not found["source"]:
        raise ValueError("source is required")
    found["target"] = found["target"] or found["source"]
    return found


def preference(text: str) -> Document:
    """spread=node.labels.x"""
    for key, value in _pairs(text):
        if key != "spread":
            raise ValueError(f"unsupported placement preference {key} (only spread is supported)")
        return {"Spread": {"SpreadDescriptor": value}}
    raise ValueError("a placement preference is needed")


def generic_resource(text: str) -> Document:
    kind, equals, value = text.partition("=")
    if not equals or not kind:
        raise ValueError(
            f"could not parse GenericResource: incorrect term {text}, missing '=' "
            "or malformed expression"
        )
    if not value.isdecimal():
        raise ValueError(
            "invalid generic-resource request `" + text + "`, Named Generic Resources "
            "is not supported for service create or update"
        )
    return {"DiscreteResourceSpec": {"Kind": kind, "Value": int(value)}}


def host(text: str) -> str:
    """NAME:ADDRESS in the order of hosts files: the address first."""
    from sampan.cli.runflags.checks import extra_host

    name, _, address = extra_host(text).partition(":")
    return f"{address} {name}"


def credential_spec(text: str) -> Document:
    kinds = {"config": "Config", "file": "File", "registry": "Registry"}
    kind, separator, value = text.partition("://")
    if not separator or kind not in kinds:
        raise ValueError(
            "invalid credential spec: value must be prefixed with config://, file://, "
            "or registry://"
        )
    return {name: value if name == kinds[kind] else "" for name in kinds.values()}
