"""Telling systemd how a service of ours is doing (sd_notify's protocol)."""

import logging
import os
import socket

from sampan.lib.log import fields

log = logging.getLogger(__name__)


def notify(state: str) -> None:
    """`READY=1`, `STOPPING=1`; nothing happens outside of systemd, and a failure is only logged."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.connect(address)
            channel.sendall(state.encode())
    except OSError as error:
        log.warning(fields("systemd not told", state=state, reason=error))
