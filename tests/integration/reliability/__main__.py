"""`scripts/reliability`: rounds of faults against a private daemon, and a report of them."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from integration.reliability.outcome import Outcome

MARK = "## Last runs"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/reliability", description=__doc__)
    rounds = ("kills", "disk", "power", "masses", "hub")
    parser.add_argument("rounds", nargs="*", metavar="round", help=f"{', '.join(rounds)} (all)")
    parser.add_argument("--kills", type=int, default=200, help="of the daemon")
    parser.add_argument("--load", type=int, default=20, help="containers while it is killed")
    parser.add_argument("--fills", type=int, default=20, help="of the disk")
    parser.add_argument("--cuts", type=int, default=50, help="of the power")
    parser.add_argument("--containers", type=int, default=300, help="at once, for `masses`")
    parser.add_argument("--execs", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=32, help="of the hub, for `hub`")
    parser.add_argument("--minutes", type=float, default=5, help="of the load on the hub")
    parser.add_argument("--seed", type=int, default=1, help="of the random moments")
    parser.add_argument("--report", type=Path, help=f"put the result below '{MARK}' of this file")
    options = parser.parse_args()
    options.rounds = options.rounds or list(rounds)
    if unknown := set(options.rounds) - set(rounds):
        parser.error(f"no round {', '.join(unknown)}")
    return options


def _works(options: argparse.Namespace) -> dict[str, Callable[[], Outcome]]:
    from integration.reliability.full_disk import fills
    from integration.reliability.hub_load import hub_load
    from integration.reliability.kills import kills
    from integration.reliability.masses import masses
    from integration.reliability.power_cut import cuts

    return {
        "kills": partial(kills, options.kills, options.load, options.seed),
        "disk": partial(fills, options.fills, options.seed),
        "power": partial(cuts, options.cuts, options.seed),
        "masses": partial(masses, options.containers, options.execs),
        "hub": partial(hub_load, options.clients, options.minutes * 60, options.seed),
    }


def _section(name: str, outcome: Outcome) -> str:
    rows = [f"| {what} | {value} |" for what, value in outcome.figures.items()]
    rows += [f"| FAULT | {fault.replace('|', '/')} |" for fault in outcome.faults[:20]]
    verdict = "| faults found | none |" if not outcome.faults else ""
    return "\n".join([f"### {name}", "", "| what | measured |", "|---|---|", *rows, verdict, ""])


def _heading() -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    machine = f"{os.cpu_count()} CPUs, Linux {os.uname().release}"
    command = " ".join(["scripts/reliability", *sys.argv[1:]])
    return f"{time.strftime('%Y-%m-%d')}, {machine}, on top of {commit}: `{command}`\n"


def main() -> int:
    options = _arguments()
    if os.geteuid():
        sys.exit("scripts/reliability needs root: it starts a daemon of its own")
    works, sections, faults = _works(options), [_heading()], 0
    for name in options.rounds:
        outcome = works[name]()
        faults += len(outcome.faults)
        sections.append(_section(name, outcome))
        sys.stdout.write(sections[-1] + "\n")
        sys.stdout.flush()
    if options.report:
        head = options.report.read_text().partition(MARK)[0]
        options.report.write_text(f"{head}{MARK}\n\n" + "\n".join(sections))
    return 1 if faults else 0


sys.exit(main())
