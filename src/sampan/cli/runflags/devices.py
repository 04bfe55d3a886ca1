"""`--device`, `--gpus` and `--security-opt`."""

from __future__ import annotations

from sampan.cli.archive import reason
from sampan.cli.runflags.mounts import fields_of
from sampan.errors import InvalidArgument

_PERMISSIONS = frozenset("rwm")


def _is_mode(text: str) -> bool:
    return bool(text) and set(text) <= _PERMISSIONS and len(set(text)) == len(text)


def parse_device(text: str) -> dict[str, str]:
    """host[:inside][:rwm]"""
    parts = text.split(":")
    if len(parts) > 3 or not parts[0]:
        raise InvalidArgument(f"bad format for path: {text}")
    source, inside, mode = parts[0], parts[0], "rwm"
    if len(parts) == 3:
        inside, mode = parts[1], parts[2]
        if not _is_mode(mode):
            raise InvalidArgument(f"bad mode specified: {mode}")
    elif len(parts) == 2:
        if _is_mode(parts[1]):
            mode = parts[1]
        else:
            inside = parts[1]
    return {
        "PathOnHost": source,
        "PathInContainer": inside or source,
        "CgroupPermissions": mode,
    }


def is_cdi(text: str) -> bool:
    """vendor.com/class=name: a device of the Container Device Interface."""
    kind, equals, _ = text.partition("=")
    return bool(equals) and "/" in kind and not text.startswith("/")


def split_devices(specs: list[str]) -> tuple[list[dict[str, str]], list[dict[str, object]]]:
    """Device mappings, and requests for devices of the Container Device Interface."""
    mappings = [parse_device(spec) for spec in specs if not is_cdi(spec)]
    names = [spec for spec in specs if is_cdi(spec)]
    requests: list[dict[str, object]] = []
    if names:
        requests.append(
            {
                "Driver": "cdi",
                "Count": 0,
                "DeviceIDs": names,
                "Capabilities": None,
                "Options": None,
            }
        )
    return mappings, requests


def parse_gpus(text: str) -> dict[str, object]:
    """all, a count, or driver=..,count=..,device=..,capabilities=..,options=.."""
    request: dict[str, object] = {
        "Driver": "",
        "Count": 0,
        "DeviceIDs": None,
        "Capabilities": [["gpu"]],
        "Options": {},
    }
    counted = False
    for field in fields_of(text):
        key, equals, value = field.partition("=")
        if not equals:
            key, value = "count", field
        if key == "count":
            if value != "all" and not value.isdecimal():
                raise ValueError(
                    f'invalid count ({value}): value must be either "all" or an integer'
                )
            request["Count"] = -1 if value == "all" else int(value)
            counted = True
        elif key == "driver":
            request["Driver"] = value
        elif key == "device":
            request["DeviceIDs"] = value.split(",")
        elif key == "capabilities":
            request["Capabilities"] = [[*value.split(","), "gpu"]]
        elif key == "options":
            pairs = (option.partition("=") for option in value.split(","))
            request["Options"] = {name: setting for name, _, setting in pairs}
        else:
            raise ValueError(f"unexpected key '{key}' in '{field}'")
    if not counted and request["DeviceIDs"] is None:
        request["Count"] = 1
    return request


def security_options(options: list[str]) -> tuple[list[str], bool]:
    """The options to send, and whether the system paths stay unmasked.

    A seccomp profile is read here: its JSON travels with the request.
    """
    found: list[str] = []
    unmasked = False
    for option in options:
        key, equals, value = option.partition("=")
        if not equals and option != "no-new-privileges":
            key, equals, value = option.partition(":")
            if not equals:
                raise InvalidArgument(f'Invalid --security-opt: "{option}"')
        if option == "systempaths=unconfined":
            unmasked = True
        elif key == "seccomp" and value not in {"unconfined", "builtin"}:
            found.append(f"seccomp={_profile(value)}")
        else:
            found.append(option)
    return found, unmasked


def _profile(path: str) -> str:
    from sampan.lib.jsontext import NotJson, decode, encode

    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return encode(decode(file.read()))
    except OSError as error:
        raise InvalidArgument(
            f"opening seccomp profile ({path}) failed: open {path}: {reason(error)}"
        ) from error
    except NotJson as error:
        raise InvalidArgument(f"compacting json for seccomp profile ({path}) failed") from error


def storage_options(options: list[str]) -> dict[str, str]:
    if any("=" not in option for option in options):
        raise InvalidArgument("invalid storage option")
    return {key: value for key, _, value in (option.partition("=") for option in options)}
