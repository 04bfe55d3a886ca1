"""The short syntax of a service's volumes: `[SOURCE:]TARGET[:OPTION,...]`.

A source that begins with `.`, `/` or `~` (or a Windows drive) is a path, anything else the name
of a volume; without source the volume is anonymous. Colons inside `${...}` don't divide, because
files may be shown without interpolation.
"""

from typing import Any

from sampan.errors import InvalidArgument

_PROPAGATIONS = {"rprivate", "private", "rshared", "shared", "rslave", "slave"}
_SELINUX = {"z", "Z"}


class BadVolume(InvalidArgument):
    def __init__(self, spec: str, problem: str) -> None:
        super().__init__(f"invalid spec: {spec}: {problem}" if spec else problem)


def parse_volume(spec: str) -> dict[str, Any]:
    """The long syntax of `spec`; raises BadVolume."""
    if not spec:
        raise BadVolume("", "invalid empty volume spec")
    if len(spec) <= 2:
        return {"type": "volume", "target": spec}
    sections = _sections(spec)
    if "" in sections:
        raise BadVolume(spec, "empty section between colons")
    if len(sections) > 3:
        raise BadVolume(spec, "too many colons")
    if len(sections) == 1:
        return {"type": "volume", "target": spec, "volume": {}}
    found: dict[str, Any] = {"source": sections[0], "target": sections[1]}
    for option in sections[2].split(",") if len(sections) == 3 else ():
        _add_option(found, option)
    if _is_path(sections[0]):
        found["type"] = "bind"
        found.setdefault("bind", {})["create_host_path"] = True
    else:
        found["type"] = "volume"
        found.setdefault("volume", {})
    return found


def _add_option(found: dict[str, Any], option: str) -> None:
    """Options that nobody knows are skipped, as Docker Compose does."""
    if option == "ro":
        found["read_only"] = True
    elif option == "rw":
        found.pop("read_only", None)
    elif option == "nocopy":
        found["volume"] = {"nocopy": True}
    elif option in _PROPAGATIONS:
        found.setdefault("bind", {})["propagation"] = option
    elif option in _SELINUX:
        found.setdefault("bind", {})["selinux"] = option


def _sections(spec: str) -> list[str]:
    sections, current, depth = [], "", 0
    for index, sign in enumerate(spec):
        if sign == "$" and spec[index + 1 : index + 2] == "{":
            depth += 1
        elif sign == "}" and depth:
            depth -= 1
        drive = len(current) == 1 and current.isalpha()
        if sign == ":" and not depth and not drive:
            sections.append(current)
            current = ""
        else:
            current += sign
    return [*sections, current]


def _is_path(source: str) -> bool:
    if source[0] in "./~" or source.startswith("\\\\"):
        return True
    return len(source) > 1 and source[0].isalpha() and source[1] == ":"
