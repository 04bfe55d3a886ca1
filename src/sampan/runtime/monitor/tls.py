"""TLS for a connection to a log receiver. Imported only when asked for: `ssl` is large."""

from __future__ import annotations

import socket
import ssl

from sampan.runtime.monitor.loop import READ, WRITE


class _Encrypted:
    """What an uplink uses of a socket; wanting to read or write means to wait."""
