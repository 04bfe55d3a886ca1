"""`sampan daemon`: the process around the engine.

Order of a start: configuration, data-root lock, sockets bound, PID file, engine graph built and
restored, accepting clients, readiness told to systemd. A stop is the reverse.

    SIGTERM, SIGINT   stop: clients are served to the end for a few seconds. Containers run on,
                      under their monitors, and the next start takes them over.
    SIGHUP            read daemon.json again; what can change at run time changes.
    SIGUSR1           write the stacks of all threads to stderr.
"""

import asyncio
import faulthandler
import gc
import logging
import os
import signal
import socket
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sampan.daemon import addresses, flags, tls
from sampan.daemon.claims import DataRootLock, Pidfile
from sampan.daemon.config import Config, load
from sampan.daemon.instance import Instance, derive
from sampan.daemon.listeners import Listeners, open_listeners
from sampan.errors import Internal, SampanError, Unsupported
from sampan.lib import log as logs
from sampan.lib.log import fields
from sampan.lib.systemd import notify

if TYPE_CHECKING:
    from sampan.daemon.wiring import Daemon
    from sampan.server.app import ApiServer

log = logging.getLogger("sampan.daemon")

EXIT_USAGE = 125  # dockerd's status for a bad command line
EXIT_FAILURE = 1
HINT = "`sampan setup` says what this machine lacks"


def entry(arguments: list[str] | None = None) -> int:
    """Run the daemon until a signal ends it. Returns the exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        config = load(words)
    except flags.HelpWanted:
        sys.stdout.write(flags.usage(Config()))
        return 0
    except flags.BadUsage as error:
        sys.stderr.write(f"{error.message}\n")
        return EXIT_USAGE
    except SampanError as error:
        sys.stderr.write(f"{error.message}\n")
        return EXIT_FAILURE
    if config.validate:
        sys.stdout.write("configuration OK\n")
        return 0
    logs.configure("debug" if config.debug else config.log_level)
    try:
        return _run(config, words)
    except SampanError as error:
        lacks = HINT if isinstance(error, Internal | Unsupported) else ""
        hint = error.hint or lacks
        log.error(fields("start failed", reason=error.message, **({"hint": hint} if hint else {})))
    except OSError as error:
        log.error(fields("start failed", reason=error, hint=HINT), exc_info=config.debug)
    return EXIT_FAILURE


def _run(config: Config, words: list[str]) -> int:
    if os.geteuid() != 0:
        sys.stderr.write("sampan daemon needs root privileges\n")
        return EXIT_FAILURE
    instance = derive(config)
    tls.check_exposure(config)
    context = tls.server_context(config)
    tcp_port = addresses.TLS_PORT if context else addresses.PLAIN_PORT
    os.umask(0o022)
    with ExitStack() as undo:
        lock = DataRootLock(instance.lock)
        undo.callback(lock.release)
        listeners = open_listeners(config.hosts, config.group, tcp_port=tcp_port)
        undo.callback(listeners.close)
        tls.check_exposure(config, listeners.tcp_addresses)
        pidfile = Pidfile(config.pidfile)
        undo.callback(pidfile.release)
        faulthandler.register(signal.SIGUSR1, all_threads=True)
        certificates = tls.Certificates(context) if context else None
        asyncio.run(_serve(config, instance, _Doors(listeners, certificates), words))
    return 0


@dataclass(frozen=True, slots=True)
class _Doors:
    """Where clients come in; `tls` is for the TCP sockets."""

    listeners: Listeners
    tls: tls.Certificates | None

    async def open(self, server: "ApiServer") -> None:
        for listener in self.listeners.sockets:
            certificates = None if listener.family == socket.AF_UNIX else self.tls
            await server.listen(listener, certificates.current if certificates else None)
            address = listener.getsockname()
            log.info(fields("API listening", address=address, tls=certificates is not None))


async def _serve(config: Config, instance: Instance, doors: _Doors, words: list[str]) -> None:
    from sampan.daemon.wiring import Daemon  # the engine is imported once the claims are ours

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stop, number)
    async with Daemon(config, instance) as daemon:
        loop.add_signal_handler(signal.SIGHUP, _reload, daemon, words, doors.tls)
        await doors.open(daemon.server)
        gc.collect()
        gc.freeze()
        notify("READY=1")
        log.info(fields("daemon ready", data_root=instance.data_root, bridge=instance.bridge))
        await stop.wait()
        notify("STOPPING=1")
        loop.remove_signal_handler(signal.SIGHUP)
    log.info("daemon stopped")


def _stop(stop: asyncio.Event, number: int) -> None:
    log.info(fields("stopping", signal=signal.Signals(number).name))
    stop.set()


def _reload(daemon: "Daemon", words: list[str], certificates: tls.Certificates | None) -> None:
    """All of it, or nothing if something is wrong."""
    try:
        config = load(words)
        if certificates is not None:
            certificates.reread(config)
    except SampanError as error:
        log.error(fields("reload refused", reason=error.message))
        return
    logs.configure("debug" if config.debug else config.log_level)
    daemon.reload(config)
