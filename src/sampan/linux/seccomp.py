"""Seccomp filters compiled by libseccomp, the library that the OCI runtimes use themselves.

The input is an OCI `linux.seccomp` object, the output the raw program for seccomp(2). System calls
that the library doesn't know are left out, as the runtimes do.
"""

import ctypes
import os
from typing import Any

from sampan.errors import Internal, Unsupported
from sampan.lib import needs

# <seccomp.h>
_ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
_WITH_NUMBER = {"SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"}
_OPERATORS = {
    "SCMP_CMP_NE": 1,
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}
_OPTIMIZE, _BINARY_TREE = 8, 2  # SCMP_FLTATR_CTL_OPTIMIZE: a tree instead of a list of tests
_UNKNOWN = -1  # __NR_SCMP_ERROR
_EPERM = 1


class _Comparison(ctypes.Structure):
    """struct scmp_arg_cmp"""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(needs.SECCOMP.library)
    except OSError as error:
        raise Unsupported("libseccomp isn't installed", hint=needs.SECCOMP.hint()) from error
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_release.argtypes = [ctypes.c_void_p]
    library.seccomp_arch_resolve_name.restype = ctypes.c_uint32
    library.seccomp_arch_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    library.seccomp_attr_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32]
    library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_void_p,
    ]
    library.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
    return library


def compile_filter(profile: dict[str, Any]) -> bytes:
    """The BPF program of an OCI seccomp object.

    Raises Unsupported for what only the runtime can do (SCMP_ACT_NOTIFY, flags) and Internal when
    the library refuses a rule.
    """
    if profile.get("flags") or profile.get("listenerPath"):
        raise Unsupported("seccomp flags are left to the runtime")
    library = _library()
    context = library.seccomp_init(
        _action(profile["defaultAction"], profile.get("defaultErrnoRet"))
    )
    if not context:
        raise Internal("seccomp_init failed")
    try:
        library.seccomp_attr_set(context, _OPTIMIZE, _BINARY_TREE)
        for name in profile.get("architectures") or ():
            short = name.removeprefix("SCMP_ARCH_").lower().encode()
            library.seccomp_arch_add(context, library.seccomp_arch_resolve_name(short))
        for rule in profile.get("syscalls") or ():
            _add(library, context, rule, profile["defaultAction"])
        return _export(library, context)
    finally:
        library.seccomp_release(context)


def _action(name: str, number: int | None) -> int:
    try:
        action = _ACTIONS[name]
    except KeyError:
        raise Unsupported(f"seccomp action {name} is left to the runtime") from None
    if name in _WITH_NUMBER:
        action |= _EPERM if number is None else number & 0xFFFF
    return action


def _add(library: ctypes.CDLL, context: int, rule: dict[str, Any], default: str) -> None:
    if rule["action"] == default and "errnoRet" not in rule:
        return  # the library refuses rules that change nothing
    action = _action(rule["action"], rule.get("errnoRet"))
    tests = [
        _Comparison(arg["index"], _OPERATORS[arg["op"]], arg["value"], arg.get("valueTwo", 0))
        for arg in rule.get("args") or ()
    ]
    array = (_Comparison * len(tests))(*tests)
    for name in rule["names"]:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number == _UNKNOWN:
            continue
        failure = library.seccomp_rule_add_array(context, action, number, len(tests), array)
        if failure:
            raise Internal(f"seccomp rule for {name}: {os.strerror(-failure)}")


def _export(library: ctypes.CDLL, context: int) -> bytes:
    buffer = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    try:
        failure = library.seccomp_export_bpf(context, buffer)
        if failure:
            raise Internal(f"seccomp_export_bpf: {os.strerror(-failure)}")
        return os.pread(buffer, os.fstat(buffer).st_size, 0)
    finally:
        os.close(buffer)
