"""Containers and clients that keep a daemon busy while it is killed, and that notice what is lost.

A client whose daemon dies under it may say so and nothing else may go wrong. What was answered with
success is a promise, and is looked after.

    talkers    print numbered lines for ever         every line once, in order
    restarted  end after a while, come back          runs begin and end by turns
    pages      serve a page on a published port      no request fails
    mortals    end with an exit code                 that code, one run, whole output
    vanishers  the same with --rm                    one run, and gone
    churn      exec, stop and start, create and rm   what is answered is so
"""

import os
import random
import re
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress

from integration.harness import Engine
from integration.reliability.outcome import Outcome, eventually

TALK = 'i=0; while :; do for k in 1 2 3 4 5; do i=$((i+1)); echo "$i"; done; sleep 0.2; done'
COME_BACK = (
    "echo x >> /shared/$NAME; n=$(wc -l < /shared/$NAME);"
    'echo "begin $n"; usleep ${PAUSE}00000; echo "end $n"; exit 3'
)
END = "echo x >> /shared/$NAME; echo begin; usleep $PAUSE; echo end; exit $CODE"
CUT = 255  # the docker CLI's own, without a word, when the daemon dies during an exec
DIED = re.compile(
    r"cannot connect|during connect|EOF|connection reset|broken pipe|use of closed|not recover"
    r"|closed network connection|connection refused",
    re.IGNORECASE,
)


class Workload:
    def __init__(self, engine: Engine, outcome: Outcome, containers: int) -> None:
        self.engine = engine
        self.outcome = outcome
        self.shared = engine.home / "shared"
        self.shared.mkdir()
        pages = max(1, containers // 8)
        restarted = max(2, containers // 4)
        self.patients = [f"patient{number}" for number in range(2)]
        self.pages = [f"page{number}" for number in range(pages)]
        self.restarted = [f"again{number}" for number in range(restarted)]
        talkers = max(1, containers - pages - restarted - len(self.patients))
        self.talkers = [f"talker{number}" for number in range(talkers)]
        self.requests = self.operations = self.interrupted = self.runs = 0
        self._ends = threading.Event()
        self._threads: list[threading.Thread] = []
        self._addresses: list[str] = []
        # of our own, and no ports that other engines choose: they would get them while none lives
        self._host = f"127.77.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"

    # --- begin and end ----------------------------------------------------------------------------

    def begin(self) -> None:
        for name in self.talkers:
            self._run(name, TALK)
        for number, name in enumerate(self.restarted):
            policy = ("always", "unless-stopped", "on-failure")[number % 3]
            self._run(name, COME_BACK, f"--restart={policy}", "-e", f"PAUSE={2 + number * 3}")
        for number, name in enumerate(self.pages):
            script = "echo page > index.html; exec httpd -f -p 80"
            self._addresses.append(f"{self._host}:{20_080 + number}")
            self._run(name, script, "-p", f"{self._addresses[-1]}:80")
        for name in self.patients:
            self._run(name, "exec sleep 100000")
        works = (self._request, self._mortals, self._vanishers, self._execs, self._patients)
        self._threads = [threading.Thread(target=self._loop, args=(work,)) for work in works]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """The clients end; the containers go on."""
        self._ends.set()
        for thread in self._threads:
            thread.join()

    def _loop(self, work: Callable[[random.Random], None]) -> None:
        chance = random.Random(work.__name__)
        while not self._ends.is_set():
            try:
                work(chance)
            except (AssertionError, subprocess.TimeoutExpired, ValueError) as error:
                self.outcome.faults.append(f"{work.__name__}: {error!r}"[:1000])

    def _run(self, name: str, script: str, *options: str) -> None:
        shared = ("-v", f"{self.shared}:/shared", "-e", f"NAME={name}")
        self.engine.docker(
            *("run", "-d", "--name", name, *shared, *options, "busybox", "sh", "-c", script)
        )

    # --- clients ----------------------------------------------------------------------------------

    def _ask(self, *argv: str) -> "subprocess.CompletedProcess[str] | None":
        """None when the daemon died meanwhile."""
        done = self.engine.docker(*argv, check=False, timeout=60)
        self.operations += 1
        if done.returncode == CUT or (done.returncode and DIED.search(done.stderr)):
            self.interrupted += 1
            time.sleep(0.05)
            return None
        return done

    def insist(self, *argv: str) -> "subprocess.CompletedProcess[str]":
        """Again until a daemon lives long enough."""
        while (done := self._ask(*argv)) is None:
            time.sleep(0.05)
        return done

    def _request(self, chance: random.Random) -> None:
        address = chance.choice(self._addresses)
        try:
            with urllib.request.urlopen(f"http://{address}/", timeout=5) as page:
                good = page.read() == b"page\n"
        except OSError as error:
            now = time.strftime("%H:%M:%S")
            self.outcome.faults.append(f"request to {address} at {now}: {error}")
        else:
            self.outcome.check(good, "a page of another")
            self.requests += 1
        time.sleep(0.01)

    def _mortals(self, chance: random.Random) -> None:
        self._one_run(chance, "mortal")

    def _vanishers(self, chance: random.Random) -> None:
        self._one_run(chance, "vanisher", "--rm")

    def _one_run(self, chance: random.Random, kind: str, *options: str) -> None:
        self.runs += 1
        name, code = f"{kind}{self.runs}", chance.randrange(1, 120)
        facts = {"NAME": name, "CODE": code, "PAUSE": chance.randrange(1000, 800_000)}
        settings = [part for key, value in facts.items() for part in ("-e", f"{key}={value}")]
        shared = ("-v", f"{self.shared}:/shared")
        argv = ("run", "-d", "--name", name, *options, *shared, *settings, "busybox")
        done = self._ask(*argv, "sh", "-c", END)
        if done is None:
            self._check_interrupted(name)
        elif done.returncode:
            self.outcome.faults.append(f"run {name}: {done.stderr}")
        elif options:
            self._check_vanished(name)
        else:
            self._check_ended(name, code)
        count = self._begun(name)
        self.outcome.check(count <= 1, f"{name} was started {count} times")
        self.outcome.check(done is None or count == 1, f"{name} was started {count} times")

    def _begun(self, name: str) -> int:
        with suppress(FileNotFoundError):
            return (self.shared / name).read_text().count("x")
        return 0

    def _check_interrupted(self, name: str) -> None:
        """Whole or absent: it can be removed, if it is there."""
        removed = self.insist("rm", "-f", name)
        good = removed.returncode == 0 or "No such container" in removed.stderr
        self.outcome.check(good, f"rm {name}: {removed.stderr}")

    def _check_vanished(self, name: str) -> None:
        gone = eventually(lambda: self.insist("inspect", name).returncode == 1, 20)
        self.outcome.check(gone, f"{name} hasn't vanished")

    def _check_ended(self, name: str, code: int) -> None:
        form = "{{.State.Status}} {{.State.ExitCode}}"
        seen: list[str] = []

        def ended() -> bool:
            seen[:] = self.insist("inspect", "-f", form, name).stdout.split()
            return seen[:1] == ["exited"]

        fine = eventually(ended, 20) and seen[1] == str(code)
        self.outcome.check(fine, f"{name} should have ended with {code}, is {seen}")
        output = self.insist("logs", name).stdout
        self.outcome.check(output == "begin\nend\n", f"logs of {name}: {output!r}")
        removed = self.insist("rm", name)  # it may have been done before its answer was lost
        good = removed.returncode == 0 or "No such container" in removed.stderr
        self.outcome.check(good, f"rm {name}: {removed.stderr}")
        self.outcome.check(self.insist("inspect", name).returncode == 1, f"{name} is still there")

    def _execs(self, chance: random.Random) -> None:
        done = self._ask("exec", chance.choice(self.talkers), "sh", "-c", "echo said; exit 5")
        if done is not None:
            fine = (done.returncode, done.stdout) == (5, "said\n")
            self.outcome.check(fine, f"exec: {done.returncode} {done.stdout!r} {done.stderr!r}")

    def _patients(self, chance: random.Random) -> None:
        """Stop and start; a stop or start that was done before its answer was lost is fine."""
        name = chance.choice(self.patients)
        for verb, status in ((("stop", "-t", "0"), "exited"), (("start",), "running")):
            done = self.insist(*verb, name)
            self.outcome.check(done.returncode == 0, f"{verb[0]} {name}: {done.stderr}")
            found = self.insist("inspect", "-f", "{{.State.Status}}", name).stdout.strip()
            self.outcome.check(found == status, f"after {verb[0]} {name} is {found}")

    # --- afterwards -------------------------------------------------------------------------------

    def check(self) -> None:
        """With a daemon that stays."""
        rows = self.engine.docker("ps", "-a", "--format", "{{.Names}} {{.State}}").stdout
        states = dict(row.split() for row in rows.splitlines())
        wanted = [*self.talkers, *self.pages, *self.patients]
        for name in wanted:
            self.outcome.check(states.get(name) == "running", f"{name} is {states.get(name)}")
        for name in set(states) - {*wanted, *self.restarted}:
            self.outcome.faults.append(f"{name} should be gone, is {states[name]}")
        for name in self.restarted:
            self._check_comes_back(name)
        for name in self.talkers:
            self.engine.docker("kill", name)
            numbers = [int(row) for row in self.engine.docker("logs", name).stdout.split()]
            whole = numbers == list(range(1, len(numbers) + 1))
            self.outcome.check(whole, f"{name}'s {len(numbers)} lines aren't a row")
            self.outcome.figures["log lines"] = int(
                str(self.outcome.figures.get("log lines", 0))
            ) + len(numbers)

    def _check_comes_back(self, name: str) -> None:
        before = self._begun(name)
        back = eventually(lambda: self._begun(name) > before, 70)  # a pause is a minute at most
        state = self.engine.docker("inspect", "-f", "{{json .State}}", name).stdout
        self.outcome.check(back, f"{name} doesn't come back after {before} runs: {state}")
        self.engine.docker("stop", name)
        rows = self.engine.docker("logs", name).stdout.splitlines()
        identifier = self.engine.docker("inspect", "-f", "{{.Id}}", name).stdout.strip()
        undone = self.engine.log.read_text(errors="replace").count(
            f"container.start_undone id={identifier}"
        )
        begun = [row for row in rows if row.startswith("begin")]
        ended = [row for row in rows if row.startswith("end")]
        self.outcome.check(len(set(rows)) == len(rows), f"{name} has a line twice")
        cut = self._begun(name) - len(ended)  # the stop cut one
        self.outcome.check(cut <= undone + 1, f"{name}: {cut} runs without end, {undone} undone")
        order = [row for row in rows if row in set(ended) or f"end {row[6:]}" in set(ended)]
        turns = all(row.startswith(("begin", "end")[at % 2]) for at, row in enumerate(order))
        self.outcome.check(turns, f"runs of {name} overlap")
        self.outcome.figures["restarts by policy"] = int(
            str(self.outcome.figures.get("restarts by policy", 0))
        ) + len(begun)
