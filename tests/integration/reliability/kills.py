"""Round one: `kill -9` of the daemon at random moments under load (workload.py)."""

import random
import signal
import threading
import time

from integration.harness import Engine
from integration.reliability.outcome import (
    Outcome,
    check_log,
    check_no_remains,
    check_whole,
    descriptors,
    memory_kib,
    monitors,
)
from integration.reliability.workload import Workload


def kills(count: int, containers: int = 20, seed: int = 1) -> Outcome:
    outcome = Outcome()
    engine = Engine()
    engine.start()
    engine.import_busybox()
    work = Workload(engine, outcome, containers)
    chance = random.Random(seed)
    try:
        work.begin()
        before = [descriptors(pid) for pid in monitors(engine, work.talkers)]
        begun = time.monotonic()
        for _ in range(count):
            time.sleep(chance.uniform(0.02, 1.2))
            _kill(engine, chance)
        work.end()
        _check_monitors(engine, outcome, work.talkers, before)
        outcome.figures |= {
            "daemon killed": count,
            "of containers": containers,
            "seconds": round(time.monotonic() - begun),
            "requests to published ports": work.requests,
            "client operations": work.operations,
            "of these cut by a kill": work.interrupted,
            "containers run to their end": work.runs,
        }
        work.check()
        check_whole(engine, outcome, "after the kills")
    finally:
        work.end()
        engine.shut()
    check_no_remains(engine, outcome)
    return outcome


def _kill(engine: Engine, chance: random.Random) -> None:
    """Every fourth one also while it comes up."""
    engine.stop(signal.SIGKILL)
    if chance.random() < 0.25:
        starting = threading.Thread(target=_start_in_vain, args=(engine,))
        old = engine.process
        starting.start()
        while engine.process is old:
            time.sleep(0.001)
        time.sleep(chance.uniform(0.05, 0.8))
        engine.stop(signal.SIGKILL)
        starting.join()
    engine.start()


def _start_in_vain(engine: Engine) -> None:
    try:
        engine.start()
    except AssertionError as error:
        if "the daemon ended" not in str(error):
            raise


def _check_monitors(engine: Engine, outcome: Outcome, names: list[str], before: list[int]) -> None:
    """They have served many daemons by now."""
    pids = monitors(engine, names)
    after = [descriptors(pid) for pid in pids]
    grown = max((now - then for now, then in zip(after, before, strict=True)), default=0)
    outcome.check(grown <= 2, f"descriptors of monitors: before {before}, after {after}")
    outcome.figures["largest monitor KiB"] = max(memory_kib(pid) for pid in pids)
    check_log(engine, outcome)
