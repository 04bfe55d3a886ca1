"""Where the host's own name resolution is configured."""

from pathlib import Path

from sampan.network.files import nameservers

_STUB = ["127.0.0.53"]  # systemd-resolved: its real servers stand in another file
_STUB_UPSTREAM = Path("/run/systemd/resolve/resolv.conf")


def read_host_resolv_conf(path: Path = Path("/etc/resolv.conf")) -> str:
    """The resolv.conf that containers start from; "" if the host has none."""
    try:
        text = path.read_text(errors="replace")
        if nameservers(text) == _STUB and _STUB_UPSTREAM.exists():
            text = _STUB_UPSTREAM.read_text(errors="replace")
    except OSError:
        return ""
    return text
