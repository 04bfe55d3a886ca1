"""Readers of single flag values: what they refuse is refused before anything is sent.

Each takes the word as given and returns the value to keep; ValueError's text is Docker's.
"""

from __future__ import annotations

import os

ULIMIT_NAMES = frozenset(
    {
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
    }
)
IPC_SYSCTLS = frozenset(
    f"kernel.{name}"
    for name in (
        "msgmax",
        "msgmnb",
        "msgmni",
        "sem",
        "shmall",
        "shmmax",
        "shmmni",
        "shm_rmid_forced",
    )
)
STREAMS = frozenset({"stdin", "stdout", "stderr"})


def attach_stream(text: str) -> str:
    if text.lower() not in STREAMS:
        raise ValueError("valid streams are STDIN, STDOUT and STDERR")
    return text.lower()


def env(text: str) -> str:
    """NAME=value as it is; a bare NAME takes our own value when there is one."""
    name, equals, _ = text.partition("=")
    if not name:
        raise ValueError(f"invalid environment variable: {text}")
    if equals or name not in os.environ:
        return text
    return f"{name}={os.environ[name]}"


def label(text: str) -> str:
    if text.startswith("="):
        raise ValueError(f"invalid label '{text}': empty name")
    return text


def link(text: str) -> str:
    name, _, alias = text.partition(":")
    if not text:
        raise ValueError("empty string specified for links")
    if ":" in alias:
        raise ValueError(f"bad format for links: {text}")
    return f"{name}:{alias}" if alias else name


def extra_host(text: str) -> str:
    """name:address or name=address; sent with a colon."""
    separator = "=" if "=" in text and ":" not in text.partition("=")[0] else ":"
    name, found, address = text.partition(separator)
    if not found or not name:
        raise ValueError(f'bad format for add-host: "{text}"')
    if address != "host-gateway":
        bare = address.removeprefix("[").removesuffix("]")
        if not is_address(bare):
            raise ValueError(f'invalid IP address in add-host: "{address}"')
        address = bare
    return f"{name}:{address}"


def is_address(text: str) -> bool:
    from ipaddress import ip_address

    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def dns_server(text: str) -> str:
    if not is_address(text.strip()):
        raise ValueError(f"IP address is not correctly formatted: {text}")
    return text.strip()


def ulimit(text: str) -> dict[str, object]:
    name, equals, limits = text.partition("=")
    if not equals:
        raise ValueError(f"invalid ulimit argument: {text}")
    if name not in ULIMIT_NAMES:
        raise ValueError(f"invalid ulimit type: {name}")
    if limits.count(":") > 1:
        raise ValueError(f"too many limit value arguments - {limits}, can only have up to two")
    soft_text, colon, hard_text = limits.partition(":")
    soft = _limit(soft_text)
    hard = _limit(hard_text) if colon else soft
    if hard != -1 and (soft > hard or soft == -1):
        raise ValueError(
            f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
        )
    return {"Name": name, "Hard": hard, "Soft": soft}


def _limit(text: str) -> int:
    digits = text.removeprefix("-")
    if not digits.isdecimal():
        raise ValueError(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def weight_device(text: str) -> dict[str, object]:
    path, colon, weight = text.partition(":")
    if not colon:
        raise ValueError(f"bad format: {text}")
    _check_device_path(path, text)
    if not weight.isdecimal() or (int(weight) and not 10 <= int(weight) <= 1000):
        raise ValueError(f"invalid weight for device: {text}")
    return {"Path": path, "Weight": int(weight)}


def _check_device_path(path: str, text: str) -> None:
    if not path.startswith("/dev/"):
        raise ValueError(f"bad format for device path: {text}")


def byte_rate(text: str) -> dict[str, object]:
    from sampan.lib.units import parse_size_bytes

    path, colon, rate = text.partition(":")
    if not colon:
        raise ValueError(f"bad format: {text}")
    _check_device_path(path, text)
    try:
        value = parse_size_bytes(rate)
    except ValueError as error:
        raise ValueError(
            f"invalid rate for device: {text}. The correct format is "
            "<device-path>:<number>[<unit>]. Number must be a positive integer. "
            "Unit is optional and can be kb, mb, or gb"
        ) from error
    return {"Path": path, "Rate": value}


def operation_rate(text: str) -> dict[str, object]:
    path, colon, rate = text.partition(":")
    if not colon:
        raise ValueError(f"bad format: {text}")
    _check_device_path(path, text)
    if not rate.isdecimal():
        raise ValueError(
            f"invalid rate for device: {text}. The correct format is <device-path>:<number>. "
            "Number must be a positive integer"
        )
    return {"Path": path, "Rate": int(rate)}


def sysctl(text: str) -> str:
    """Only settings that belong to the container's own namespaces."""
    name, equals, _ = text.partition("=")
    known = name in IPC_SYSCTLS or name.startswith(("net.", "fs.mqueue."))
    if not equals or not known:
        raise ValueError(f"sysctl '{text}' is not allowed")
    return text


def device_rule(text: str) -> str:
    """A line of the devices cgroup: "c 1:3 rwm"."""
    words = text.split()
    numbers = words[1].split(":") if len(words) == 3 else []
    fits = (
        len(numbers) == 2
        and words[0] in {"a", "b", "c"}
        and all(part == "*" or part.isdecimal() for part in numbers)
        and set(words[2]) <= set("rwm")
    )
    if not fits:
        raise ValueError(f"invalid device cgroup format '{text}'")
    return text


def health_reaction(text: str) -> str:
    from sampan.lib.labels import HEALTH_REACTIONS

    if text not in HEALTH_REACTIONS:
        raise ValueError(f"must be one of {', '.join(HEALTH_REACTIONS)}")
    return text
