"""Round four: many containers, very many execs, a fork bomb; what grew must shrink again."""

import time
from concurrent.futures import ThreadPoolExecutor

from integration.harness import Engine
from integration.reliability.api import Api
from integration.reliability.outcome import (
    Outcome,
    check_log,
    check_no_remains,
    check_whole,
    descriptors,
    eventually,
    memory_kib,
    monitors,
)

CLIENTS = 4
SPARE_DESCRIPTORS = 4  # of idle connections and threads that come and go
SPARE_KIB = 24 * 1024  # a daemon may have grown by between its first execs and its last
BOMB = "bomb() { bomb | bomb & }; bomb; sleep 1000"
PIDS_LIMIT = 64


class _Masses:
    def __init__(self, engine: Engine, outcome: Outcome) -> None:
        assert engine.process is not None
        self._engine = engine
        self._outcome = outcome
        self._api = Api(engine.socket)
        self._daemon = engine.process.pid

    def start_containers(self, count: int) -> list[str]:
        begun = time.monotonic()

        def start(number: int) -> str:
            spec = {"Image": "busybox", "Cmd": ["sleep", "100000"]}
            name = f"mass{number}"
            self._api.document("POST", f"/containers/create?name={name}", spec)
            self._api.document("POST", f"/containers/{name}/start")
            return name

        with ThreadPoolExecutor(CLIENTS) as pool:
            names = list(pool.map(start, range(count)))
        self._outcome.figures |= {
            "containers at once": count,
            "started per second": round(count / (time.monotonic() - begun), 1),
        }
        return names

    def exec_many(self, names: list[str], count: int) -> None:
        """Memory is measured when caches and thread pools have filled."""
        warm = max(count // 10, 50)
        self._execs(names, warm)
        fds, kib = descriptors(self._daemon), memory_kib(self._daemon)
        pids = monitors(self._engine, names)
        theirs = {pid: (descriptors(pid), memory_kib(pid)) for pid in pids}
        begun = time.monotonic()
        self._execs(names, count - warm)
        seconds = time.monotonic() - begun
        eventually(lambda: descriptors(self._daemon) <= fds, 5)
        now_fds, now_kib = descriptors(self._daemon), memory_kib(self._daemon)
        more = [descriptors(pid) - before for pid, (before, _) in theirs.items()]
        larger = [memory_kib(pid) - before for pid, (_, before) in theirs.items()]
        check = self._outcome.check
        check(now_fds <= fds + SPARE_DESCRIPTORS, f"descriptors: {fds}, then {now_fds}")
        check(max(more) <= 1, f"descriptors of a monitor: {max(more)} more")
        check(now_kib <= kib + SPARE_KIB, f"memory of the daemon: {kib} KiB, then {now_kib}")
        check(max(larger) <= 1024, f"memory of a monitor: {max(larger)} KiB more")
        self._outcome.figures |= {
            "execs": count,
            "execs per second": round((count - warm) / seconds, 1),
            "daemon's descriptors before and after them": f"{fds}, {now_fds}",
            "daemon's own memory before and after them (KiB)": f"{kib}, {now_kib}",
            "largest growth of a monitor (KiB)": max(larger),
        }

    def _execs(self, names: list[str], count: int) -> None:
        def work(number: int) -> None:
            code = number % 100
            output, found = self._api.exec(
                names[number % len(names)], ["sh", "-c", f"echo {number}; exit {code}"]
            )
            good = output[8:] == b"%d\n" % number and found == code
            self._outcome.check(good, f"exec {number}: {output!r}, exit code {found}")

        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(work, range(count)))

    def bomb(self, neighbour: str) -> None:
        limits = ("--pids-limit", str(PIDS_LIMIT), "--memory", "128m", "--cpus", "1")
        docker = self._engine.docker
        docker("run", "-d", "--name", "bomb", *limits, "busybox", "sh", "-c", BOMB)
        seen = 0
        for number in range(20):
            stats = self._api.document("GET", "/containers/bomb/stats?stream=0&one-shot=1")
            seen = max(seen, stats["pids_stats"].get("current", 0))
            output, code = self._api.exec(neighbour, ["echo", str(number)])
            self._outcome.check((output[8:], code) == (b"%d\n" % number, 0), "beside the bomb")
        self._outcome.check(seen <= PIDS_LIMIT, f"{seen} processes in spite of {PIDS_LIMIT}")
        self._outcome.figures["most processes of the fork bomb"] = seen
        begun = time.monotonic()
        docker("rm", "-f", "bomb")
        self._outcome.figures["its removal took (s)"] = round(time.monotonic() - begun, 2)

    def remove(self, names: list[str], fds: int) -> None:
        begun = time.monotonic()
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(self._remove_one, names))
        self._outcome.figures["removed per second"] = round(
            len(names) / (time.monotonic() - begun), 1
        )
        eventually(lambda: descriptors(self._daemon) <= fds + SPARE_DESCRIPTORS, 10)
        now = descriptors(self._daemon)
        self._outcome.check(now <= fds + SPARE_DESCRIPTORS, f"descriptors: {fds}, then {now}")
        self._outcome.figures["daemon's descriptors before and after all"] = f"{fds}, {now}"

    def _remove_one(self, name: str) -> None:
        self._api.document("DELETE", f"/containers/{name}?force=1")


def masses(containers: int, execs: int) -> Outcome:
    outcome = Outcome()
    engine = Engine()
    engine.start()
    engine.import_busybox()
    try:
        engine.docker("run", "--rm", "busybox", "true")
        assert engine.process is not None
        fds = descriptors(engine.process.pid)
        work = _Masses(engine, outcome)
        names = work.start_containers(containers)
        work.exec_many(names, execs)
        work.bomb(names[0])
        check_whole(engine, outcome, "with all running")
        work.remove(names, fds)
        check_whole(engine, outcome, "after all")
        check_log(engine, outcome)
    finally:
        engine.shut()
    check_no_remains(engine, outcome)
    return outcome
