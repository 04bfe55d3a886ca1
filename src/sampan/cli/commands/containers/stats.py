"""`stats`: how much of the machine containers use, once or as a live table."""

from __future__ import annotations

import sys
import time

from sampan.cli.command import Command, Exit
from sampan.cli.commands.containers.lifecycle import path
from sampan.cli.flags import Flag
from sampan.cli.human import short_id, size3
from sampan.cli.output import Listing
from sampan.errors import SampanError
from sampan.lib.units import binary_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

    Sample = dict[str, Any]

TYPE_NAME = "*container.statsContext"
FIELDS = ("ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs")
NOTHING = "--"
INTERVAL_S = 0.5
FIRST_WAIT_S = 3.0
CLEAR = "\033[H\033[J"


def cpu_percent(sample: Sample) -> float:
    """Of one CPU: two busy CPUs are 200%."""
    now, before = sample["cpu_stats"], sample.get("precpu_stats") or {}
    used = now["cpu_usage"]["total_usage"] - before.get("cpu_usage", {}).get("total_usage", 0)
    passed = now.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    if used <= 0 or passed <= 0:
        return 0.0
    cpus = now.get("online_cpus") or len(now["cpu_usage"].get("percpu_usage") or ())
    return float(used / passed * cpus * 100)


def memory_bytes(sample: Sample) -> int:
    """Without the page cache that is given back at need (cgroup v1 and v2 name it differently)."""
    memory = sample.get("memory_stats") or {}
    usage = int(memory.get("usage") or 0)
    for key in ("total_inactive_file", "inactive_file"):
        inactive = (memory.get("stats") or {}).get(key)
        if inactive is not None:
            return usage - inactive if inactive < usage else usage
    return usage


def _network(sample: Sample) -> str:
    networks = (sample.get("networks") or {}).values()
    received = sum(network["rx_bytes"] for network in networks)
    return f"{size3(received)} / {size3(sum(network['tx_bytes'] for network in networks))}"


def _blocks(sample: Sample) -> str:
    entries = (sample.get("blkio_stats") or {}).get("io_service_bytes_recursive") or ()
    read = sum(entry["value"] for entry in entries if entry["op"].lower() == "read")
    written = sum(entry["value"] for entry in entries if entry["op"].lower() == "write")
    return f"{size3(read)} / {size3(written)}"


def _memory_percent(sample: Sample) -> str:
    limit = (sample.get("memory_stats") or {}).get("limit") or 0
    return f"{memory_bytes(sample) / limit * 100 if limit else 0:.2f}%"


def _usage(sample: Sample) -> str:
    limit = (sample.get("memory_stats") or {}).get("limit") or 0
    return f"{binary_size(memory_bytes(sample))} / {binary_size(limit)}"


def _pids(sample: Sample) -> str:
    return str((sample.get("pids_stats") or {}).get("current") or 0)


class Reading:
    """One container's newest sample; the reader's thread writes, the screen reads."""

    def __init__(self, asked: str) -> None:
        self.asked = asked
        self.sample: Sample | None = None
        self.failure: SampanError | None = None
        self.ended = False

    def follow(self, context: Context, *, stream: bool) -> None:
        query = [("stream", "1" if stream else "0")]
        try:
            response = context.client.call("GET", path(self.asked, "/stats"), query=query)
            for sample in context.client.objects(response):
                self.sample = sample
        except SampanError as error:
            self.failure = error
        self.ended = True


def _show(part: Any, placeholder: str = NOTHING) -> Any:
    def text(reading: Reading) -> str:
        return placeholder if reading.sample is None else str(part(reading.sample))

    return text


def listing(*, full: bool) -> Listing:
    columns: dict[str, Any] = {
        "Container": ("CONTAINER", lambda reading: reading.asked),
        "Name": ("NAME", _show(lambda sample: sample["name"].removeprefix("/"))),
        "ID": ("CONTAINER ID", _show(lambda s: s["id"] if full else short_id(s["id"]))),
        "CPUPerc": ("CPU %", _show(lambda sample: f"{cpu_percent(sample):.2f}%")),
        "MemUsage": ("MEM USAGE / LIMIT", _show(_usage, f"{NOTHING} / {NOTHING}")),
        "MemPerc": ("MEM %", _show(_memory_percent)),
        "NetIO": ("NET I/O", _show(_network)),
        "BlockIO": ("BLOCK I/O", _show(_blocks)),
        "PIDs": ("PIDS", _show(_pids)),
    }
    return Listing(TYPE_NAME, columns, FIELDS)


def _start(context: Context, names: list[str], *, stream: bool) -> list[tuple[Reading, Any]]:
    from threading import Thread

    readings = [Reading(name) for name in names]
    threads = [
        Thread(target=reading.follow, args=(context,), kwargs={"stream": stream}, daemon=True)
        for reading in readings
    ]
    for thread in threads:
        thread.start()
    return list(zip(readings, threads, strict=True))


def _listed(context: Context, *, stopped_too: bool) -> list[str]:
    query = [("all", "1")] if stopped_too else []
    return [item["Id"] for item in context.client.get("/containers/json", query)]


def _once(context: Context, names: list[str], shown: Listing, format_text: str) -> int:
    started = _start(context, names, stream=False)
    for _, thread in started:
        thread.join()
    for reading, _ in started:
        if reading.failure is not None:
            raise reading.failure
    context.out(shown.text([reading for reading, _ in started], format_text))
    return 0


def _live(context: Context, names: list[str], shown: Listing, flags: Flags) -> int:
    readings: dict[str, Reading] = {}
    deadline = time.monotonic() + FIRST_WAIT_S
    while True:
        current = names or _listed(context, stopped_too=flags.on("all"))
        for name in [name for name in current if name not in readings]:
            readings[name] = _start(context, [name], stream=True)[0][0]
        rows = [readings[name] for name in current]
        for reading in rows:
            if names and reading.failure is not None:
                raise reading.failure
        waiting = any(row.sample is None and not row.ended for row in rows)
        if not (waiting and time.monotonic() < deadline):
            context.out(CLEAR + shown.text(rows, flags.text("format")))
            sys.stdout.flush()
        if names and all(row.ended for row in rows):
            return 0
        time.sleep(INTERVAL_S)


def run(context: Context, flags: Flags, names: list[str]) -> int:
    format_text = flags.text("format") or context.config.text("statsFormat")
    shown = listing(full=flags.on("no-trunc"))
    if names and flags.on("all"):
        raise Exit(1, "stats --all can't be combined with names of containers")
    if flags.on("no-stream"):
        chosen = names or _listed(context, stopped_too=flags.on("all"))
        return _once(context, chosen, shown, format_text)
    return _live(context, names, shown, flags)


STATS = Command(
    run,
    "[OPTIONS] [CONTAINER...]",
    flags=(
        Flag("all", "a", "bool", "Show all containers (default shows just running)"),
        Flag("format", "", "string", "Format output: table, json, or a Go template"),
        Flag("no-stream", "", "bool", "Print one result and end"),
        Flag("no-trunc", "", "bool", "Do not truncate output"),
    ),
    most=None,
)
