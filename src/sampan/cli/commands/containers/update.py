"""`update`: new limits for existing containers."""

from __future__ import annotations

from sampan.cli.command import Command, Exit
from sampan.cli.commands.containers.lifecycle import path
from sampan.cli.each import for_each
from sampan.cli.flags import Flag
from sampan.cli.runflags.restart import restart_policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

NUMBERS = {
    "blkio-weight": "BlkioWeight",
    "cpu-period": "CpuPeriod",
    "cpu-quota": "CpuQuota",
    "cpu-rt-period": "CpuRealtimePeriod",
    "cpu-rt-runtime": "CpuRealtimeRuntime",
    "cpu-shares": "CpuShares",
    "cpus": "NanoCpus",
    "memory": "Memory",
    "memory-reservation": "MemoryReservation",
    "memory-swap": "MemorySwap",
}
# What `update` can't change, with the values that mean "leave it".
UNTOUCHED: dict[str, object] = {
    "CgroupParent": "",
    "BlkioWeightDevice": None,
    "BlkioDeviceReadBps": None,
    "BlkioDeviceWriteBps": None,
    "BlkioDeviceReadIOps": None,
    "BlkioDeviceWriteIOps": None,
    "Devices": None,
    "DeviceCgroupRules": None,
    "DeviceRequests": None,
    "MemorySwappiness": None,
    "OomKillDisable": None,
    "Ulimits": None,
    "CpuCount": 0,
    "CpuPercent": 0,
    "IOMaximumIOps": 0,
    "IOMaximumBandwidth": 0,
}
TEXTS = {"cpuset-cpus": "CpusetCpus", "cpuset-mems": "CpusetMems"}


def run(context: Context, flags: Flags, names: list[str]) -> int:
    declared = [flag.name for flag in UPDATE.flags]
    if not any(flags.given(name) for name in declared):
        raise Exit(1, "you must provide one or more flags when using this command")
    body = UNTOUCHED | {key: flags.number(name) for name, key in NUMBERS.items()}
    body.update({key: flags.text(name) for name, key in TEXTS.items()})
    body["PidsLimit"] = flags.number("pids-limit") if flags.given("pids-limit") else None
    body["RestartPolicy"] = restart_policy(flags.text("restart"))
    warnings: list[str] = []

    def act(name: str) -> None:
        answer = context.client.post(path(name, "/update"), body=body) or {}
        warnings.extend(answer.get("Warnings") or ())

    status = for_each(context, names, act)
    if warnings:
        context.out("\n".join(warnings) + "\n")
    return status


UPDATE = Command(
    run,
    "[OPTIONS] CONTAINER [CONTAINER...]",
    flags=(
        Flag("blkio-weight", "", "uint16", "Block IO weight, 10 to 1000, or 0 to disable"),
        Flag("cpu-period", "", "int", "Limit CPU CFS (Completely Fair Scheduler) period"),
        Flag("cpu-quota", "", "int", "Limit CPU CFS (Completely Fair Scheduler) quota"),
        Flag("cpu-rt-period", "", "int", "Limit the CPU real-time period in microseconds"),
        Flag("cpu-rt-runtime", "", "int", "Limit the CPU real-time runtime in microseconds"),
        Flag("cpu-shares", "c", "int", "CPU shares (relative weight)"),
        Flag("cpus", "", "decimal", "Number of CPUs"),
        Flag("cpuset-cpus", "", "string", "CPUs in which to allow execution (0-3, 0,1)"),
        Flag("cpuset-mems", "", "string", "MEMs in which to allow execution (0-3, 0,1)"),
        Flag("memory", "m", "bytes", "Memory limit"),
        Flag("memory-reservation", "", "bytes", "Memory soft limit"),
        Flag("memory-swap", "", "swap", "Memory plus swap: -1 to enable unlimited swap"),
        Flag("pids-limit", "", "int", "Tune container pids limit (set -1 for unlimited)"),
        Flag("restart", "", "string", "Restart policy to apply when a container exits"),
    ),
    least=1,
    most=None,
)
