"""`sampan hub`: the process around the hub.

Order of a start: configuration, lock of the root, socket bound, graph built and database upgraded,
accepting clients, readiness told to systemd. SIGTERM and SIGINT stop it: requests under way get
a few seconds, and an upload that is cut off then can be gone on with after the next start.
"""

import asyncio
import fcntl
import gc
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web

from sampan.errors import Conflict, InvalidArgument, SampanError
from sampan.hub.config import BadUsage, Config, load
from sampan.lib import log as logs
from sampan.lib.log import fields
from sampan.lib.systemd import notify

log = logging.getLogger("sampan.hub")

EXIT_USAGE = 125
EXIT_FAILURE = 1
SHUTDOWN_S = 5.0
BACKLOG = 512
READ_BUFFER_BYTES = 1 << 20  # of a connection: pieces of an upload that go to a worker at once


class RootInUse(Conflict):
    def __init__(self, root: Path) -> None:
        super().__init__(f"another hub is running with the root {root}")


def entry(words: list[str]) -> int:
    """Run the hub until a signal ends it. Returns the exit status."""
    try:
        config = load(words)
        logs.configure(config.log_level)
        return _run(config)
    except BadUsage as error:
        sys.stderr.write(f"{error.message}\n")
        return EXIT_USAGE
    except SampanError as error:
        log.error(fields("start failed", reason=error.message))
    except OSError as error:
        log.error(fields("start failed", reason=error))
    return EXIT_FAILURE


def _run(config: Config) -> int:
    os.umask(0o077)
    context = _tls(config)
    config.root.mkdir(parents=True, exist_ok=True)
    with _claim(config.root), _bind(config) as listener:
        asyncio.run(_serve(config, listener, context))
    return 0


@contextmanager
def _claim(root: Path) -> Iterator[None]:
    """One hub per root. `hub gc` and `hub user` work beside it and don't need this."""
    descriptor = os.open(root / "hub.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RootInUse(root) from None
    else:
        yield
    finally:
        os.close(descriptor)


def _bind(config: Config) -> socket.socket:
    host, port = config.address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise InvalidArgument(f"can't listen on {config.listen}: {error.strerror}") from error


def _tls(config: Config) -> ssl.SSLContext | None:
    if not config.tls_cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(config.tls_cert, config.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise InvalidArgument(
            f"can't use {config.tls_cert} and {config.tls_key}: {error}"
        ) from error
    return context


async def _serve(config: Config, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
    from sampan.hub.wiring import Hub  # imported once the root and the address are ours

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Hub(config) as hub:
        runner = web.AppRunner(
            hub.application,
            access_log=None,
            auto_decompress=False,  # a compressed blob is kept as it is
            handle_signals=False,
            read_bufsize=READ_BUFFER_BYTES,
            shutdown_timeout=SHUTDOWN_S,
        )
        await runner.setup()
        try:
            await web.SockSite(runner, listener, ssl_context=tls, backlog=BACKLOG).start()
            gc.collect()
            gc.freeze()
            notify("READY=1")
            address = listener.getsockname()
            log.info(fields("hub ready", root=config.root, listen=address, tls=tls is not None))
            await stop.wait()
            notify("STOPPING=1")
        finally:
            await runner.cleanup()
    log.info("hub stopped")
