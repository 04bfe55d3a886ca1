"""Docker's seccomp profiles, resolved to OCI's, and the programs made of them.

A profile in Docker's format (the built-in one, or a file given by `--security-opt seccomp=`) has
conditions on capabilities, architecture and kernel; OCI's has none. `resolve` is pure.
`SeccompPrograms` compiles each resolved profile once a daemon and hands it to crun, which spends
about 15 ms on it otherwise; other runtimes compile for themselves.
"""

import base64
import hashlib
import json
import logging
from collections.abc import Collection, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from sampan.errors import InvalidArgument, SampanError
from sampan.lib.atomicfile import write_atomic
from sampan.lib.log import fields
from sampan.linux.seccomp import compile_filter

CRUN_ANNOTATION = "run.oci.seccomp_bpf_data"  # crun(1): ignore the profile, load this program
_ARCHITECTURES = {  # machine of uname: Docker's name, libseccomp's name
    "x86_64": ("amd64", "SCMP_ARCH_X86_64"),
    "aarch64": ("arm64", "SCMP_ARCH_AARCH64"),
    "riscv64": ("riscv64", "SCMP_ARCH_RISCV64"),
    "s390x": ("s390x", "SCMP_ARCH_S390X"),
    "ppc64le": ("ppc64le", "SCMP_ARCH_PPC64LE"),
}

log = logging.getLogger(__name__)


@cache
def default_profile() -> Mapping[str, Any]:
    """Docker's built-in profile, in Docker's format."""
    text = resources.files("sampan.runtime").joinpath("data/seccomp-default.json").read_bytes()
    profile: dict[str, Any] = json.loads(text)
    return profile


def parse_profile(text: str) -> Mapping[str, Any]:
    """A profile given by a client."""
    try:
        profile = json.loads(text)
    except ValueError as error:
        raise InvalidArgument(f"Decoding seccomp profile failed: {error}") from error
    if not isinstance(profile, dict) or "defaultAction" not in profile:
        raise InvalidArgument("Decoding seccomp profile failed: no defaultAction")
    return profile


def resolve(
    profile: Mapping[str, Any],
    *,
    machine: str,
    capabilities: Collection[str],
    kernel: tuple[int, int],
) -> dict[str, Any]:
    """The OCI `linux.seccomp` object for a container with `capabilities`."""
    short, long = _ARCHITECTURES.get(machine, (machine, ""))
    resolved: dict[str, Any] = {"defaultAction": profile["defaultAction"]}
    if "defaultErrnoRet" in profile:
        resolved["defaultErrnoRet"] = profile["defaultErrnoRet"]
    resolved["architectures"] = _architectures(profile, long)
    resolved["syscalls"] = [
        _plain(rule)
        for rule in profile.get("syscalls") or ()
        if _applies(rule, short, capabilities, kernel)
    ]
    return resolved


def _architectures(profile: Mapping[str, Any], native: str) -> list[str]:
    if profile.get("architectures"):
        return list(profile["architectures"])
    for entry in profile.get("archMap") or ():
        if entry["architecture"] == native:
            return [native, *(entry.get("subArchitectures") or ())]
    return [native] if native else []


def _applies(
    rule: Mapping[str, Any],
    architecture: str,
    capabilities: Collection[str],
    kernel: tuple[int, int],
) -> bool:
    wanted, unwanted = rule.get("includes") or {}, rule.get("excludes") or {}
    if wanted.get("arches") and architecture not in wanted["arches"]:
        return False
    if not all(name in capabilities for name in wanted.get("caps") or ()):
        return False
    if wanted.get("minKernel") and kernel < _kernel(wanted["minKernel"]):
        return False
    if architecture in (unwanted.get("arches") or ()):
        return False
    if any(name in capabilities for name in unwanted.get("caps") or ()):
        return False
    return not (unwanted.get("minKernel") and kernel >= _kernel(unwanted["minKernel"]))


def _kernel(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor or 0)


def _plain(rule: Mapping[str, Any]) -> dict[str, Any]:
    names = rule.get("names") or [rule["name"]]
    plain: dict[str, Any] = {"names": list(names), "action": rule["action"]}
    for key in ("errnoRet", "args"):
        if rule.get(key):
            plain[key] = rule[key]
    return plain


class SeccompPrograms:
    """Compiled profiles of one daemon, by the digest of their JSON."""

    def __init__(self) -> None:
        self._programs: dict[str, str] = {}

    def annotate(self, config: Path) -> None:
        """Put the compiled profile into a bundle's config.json (for crun). Blocks; thread-safe."""
        spec = msgspec.json.decode(config.read_bytes())
        profile = spec.get("linux", {}).get("seccomp")
        annotations = spec.setdefault("annotations", {})
        if profile is None or CRUN_ANNOTATION in annotations:
            return
        program = self._program(profile)
        if program:
            annotations[CRUN_ANNOTATION] = program
            write_atomic(config, msgspec.json.encode(spec), durable=False)

    def annotations(self, profile: dict[str, Any]) -> Mapping[str, str]:
        """What a bundle for crun says of a resolved profile; empty if it can't be compiled."""
        program = self._program(profile)
        return {CRUN_ANNOTATION: program} if program else {}

    def _program(self, profile: dict[str, Any]) -> str:
        key = hashlib.sha256(msgspec.json.encode(profile)).hexdigest()
        if key not in self._programs:
            try:
                self._programs[key] = base64.b64encode(compile_filter(profile)).decode()
            except SampanError as error:  # the runtime compiles it, and reports what is wrong
                log.info(fields("seccomp left to the runtime", why=error.message))
                self._programs[key] = ""
        return self._programs[key]
