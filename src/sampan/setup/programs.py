"""Programs and libraries of an inspection: which are there, in which version."""

import ctypes
import re
import ssl
import subprocess

from sampan.lib import needs
from sampan.lib.needs import Need
from sampan.setup.findings import Finding, Status, lacking

_ASK_S = 10.0
_VERSION = re.compile(r"\d+(?:\.\d+)+")
_ASKING = {"ssh": "-V", "etcdctl": "version", "etcdutl": "version"}
# The oldest with which containers are known to run; younger ones aren't told apart.
OLDEST = {"crun": (1, 8), "runc": (1, 1), "etcd": (3, 4)}


def version(path: str) -> str:
    """What the program says about itself; "" if it says nothing of the kind."""
    program = path.rpartition("/")[2]
    try:
        done = subprocess.run(
            [path, _ASKING.get(program, "--version")],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ASK_S,
            check=False,
            env={"PATH": "/usr/bin:/bin", "ETCDCTL_API": "3"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = _VERSION.search((done.stdout + done.stderr).decode(errors="replace"))
    return found[0] if found else ""


def too_old(program: str, said: str) -> bool:
    if not said:
        return False
    numbers = tuple(int(part) for part in said.split("."))
    return numbers[:2] < OLDEST.get(program, (0, 0))


def program_findings(family: str) -> list[Finding]:
    return [_finding(need, family) for need in needs.NEEDS]


def _finding(need: Need, family: str) -> Finding:
    there, found = look(need)
    command = needs.install_command([need], family)
    return Finding(
        name=need.name,
        status=Status.OK if there else lacking(required=need.required),
        found=found,
        why=need.why,
        area=need.area,
        remedy="" if there else " ".join(command),
        need=None if there else need,
    )


def look(need: Need) -> tuple[bool, str]:
    """Whether it is there, and what is found."""
    if need is needs.CERTIFICATES:
        count = ssl.create_default_context().cert_store_stats()["x509_ca"]
        return count > 0, f"{count} authorities" if count else "none trusted"
    if need.library:
        return _load(need.library)
    path = need.find()
    if not path:
        return False, "not installed"
    said, program = version(path), path.rpartition("/")[2]
    if too_old(program, said):
        least = ".".join(map(str, OLDEST[program]))
        return False, f"{program} {said}, older than {least}"
    return True, f"{program} {said}".strip()


def _load(soname: str) -> tuple[bool, str]:
    try:
        ctypes.CDLL(soname)
    except OSError:
        return False, "not installed"
    return True, soname
