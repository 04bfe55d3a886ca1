"""The zygote: a small process that forks monitors.

Run by the daemon as `python -I -S .../sampan/runtime/monitor/zygote.py FD`, FD being one end of a
socket pair. A message is the path of a state folder together with one or two descriptors: the new
monitor's first control connection, over which the answer comes, and the OCI runtime's program.
Everything a monitor needs is imported here, before the first fork, and frozen, so that monitors
share its memory. The zygote ends when the daemon does; the monitors stay.
"""

import gc
import os
import sys

PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 15, 36
MESSAGE_BYTES = 4096


def _detach_stdio() -> None:
    null = os.open("/dev/null", os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    if null > 2:
        os.close(null)


def serve(channel_fd: int) -> None:
    """Fork a monitor for every message until the daemon closes its end."""
    import _signal  # type: ignore[import-not-found]  # see loop
    import _socket
    import _struct
    import ctypes

    from sampan.runtime.monitor import main

    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(PR_SET_NAME, b"sampan-zygote", 0, 0, 0)
    channel = _socket.socket(fileno=channel_fd)
    os.set_inheritable(channel_fd, False)
    _signal.signal(_signal.SIGCHLD, _signal.SIG_IGN)  # the kernel forgets ended monitors
    gc.collect()
    gc.freeze()
    while True:
        message, ancillary, _, _ = channel.recvmsg(MESSAGE_BYTES, _socket.CMSG_SPACE(8))
        if not message:
            return
        for _, _, data in ancillary:
            descriptors = _struct.unpack(f"{len(data) // 4}i", data)
            if os.fork() == 0:
                try:
                    channel.close()
                    os.setsid()
                    for descriptor in descriptors:
                        os.set_inheritable(descriptor, False)
                    prctl(PR_SET_NAME, b"sampan-monitor", 0, 0, 0)
                    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
                    main.main(message.decode(), *descriptors)
                finally:
                    os._exit(0)
            for descriptor in descriptors:
                os.close(descriptor)


if __name__ == "__main__":
    _detach_stdio()
    source_root = os.path.abspath(__file__)
    for _ in range(4):
        source_root = os.path.dirname(source_root)
    sys.path.insert(0, source_root)
    serve(int(sys.argv[1]))
