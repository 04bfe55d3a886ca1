"""`build`: over the classic protocol (packs the context, sends it, shows the steps), or over
BuildKit's (cli/building), which has secrets, agents, outputs, caches and the live display.

BuildKit's is taken when a flag needs it, when DOCKER_BUILDKIT=1 says so, and for a user who watches
(standard error is a terminal), unless DOCKER_BUILDKIT=0 or a flag of the classic builder says no.
"""

from __future__ import annotations

import io
import os
import sys

from sampan.cli.buildcontext import BuildContext, prepare
from sampan.cli.command import Command, Exit
from sampan.cli.credentials import all_auths_header
from sampan.cli.flags import Flag
from sampan.cli.human import size3
from sampan.cli.progress import show_progress
from sampan.cli.references import BadReference, split
from sampan.cli.runflags import checks
from sampan.lib.jsontext import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TextIO

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

NUMBERS = {
    "cpu-period": "cpuperiod",
    "cpu-quota": "cpuquota",
    "cpu-shares": "cpushares",
    "memory": "memory",
    "memory-swap": "memswap",
    "shm-size": "shmsize",
}
TEXTS = {
    "cgroup-parent": "cgroupparent",
    "cpuset-cpus": "cpusetcpus",
    "cpuset-mems": "cpusetmems",
    "isolation": "isolation",
    "target": "target",
}
SWITCHES = {"force-rm": "forcerm", "no-cache": "nocache", "pull": "pull", "quiet": "q"}
PROGRESS_STEP = 1 << 20
EPOCH = "SOURCE_DATE_EPOCH"  # of reproducible builds: goes along when it is set here
ONLY_BUILDKIT = (
    *("allow", "build-context", "cache-to", "check", "explain", "load", "metadata-file"),
    *("no-cache-filter", "output", "progress", "push", "secret", "ssh"),
)
ONLY_CLASSIC = (
    *("compress", "cpu-period", "cpu-quota", "cpu-shares", "cpuset-cpus", "cpuset-mems"),
    *("isolation", "memory", "memory-swap", "security-opt", "squash"),
)
_OFF = frozenset({"0", "f", "F", "false", "FALSE", "False"})


def uses_buildkit(context: Context, flags: Flags) -> bool:
    """Raises Exit for flags that don't go together."""
    needed = [name for name in ONLY_BUILDKIT if flags.given(name)]
    classic = [name for name in ONLY_CLASSIC if flags.given(name)]
    if needed and classic:
        raise Exit(
            1, f"ERROR: --{needed[0]} needs BuildKit's protocol, which --{classic[0]} rules out"
        )
    if needed or classic:
        return bool(needed)
    if "," in flags.text("platform"):
        return True
    wanted = context.environment.get("DOCKER_BUILDKIT", "")
    return wanted not in _OFF if wanted else sys.stderr.isatty()


def _tag(text: str) -> str:
    try:
        split(text)
    except BadReference as error:
        raise ValueError(str(error)) from error
    return text


def _build_args(context: Context, flags: Flags) -> dict[str, str | None]:
    """Values of --build-arg; a bare NAME takes ours, or none."""
    arguments: dict[str, str | None] = {}
    for item in flags.items("build-arg"):
        name, equals, value = item.partition("=")
        arguments[name] = value if equals else os.environ.get(name)
    for name, value in context.config.proxy_variables(context.client.endpoint.address).items():
        arguments.setdefault(name, value)
    if epoch := context.environment.get(EPOCH, ""):
        arguments.setdefault(EPOCH, epoch)
    return arguments


def _query(context: Context, flags: Flags, prepared: BuildContext) -> list[tuple[str, str]]:
    query = [("t", tag) for tag in flags.items("tag")]
    query += [("extrahosts", host) for host in flags.items("add-host")]
    query += [("securityopt", option) for option in flags.items("security-opt")]
    query += [(key, "1") for name, key in SWITCHES.items() if flags.on(name)]
    query += [(key, str(flags.number(name))) for name, key in NUMBERS.items() if flags.number(name)]
    query += [(key, flags.text(name)) for name, key in TEXTS.items() if flags.text(name)]
    if not flags.on("rm"):
        query.append(("rm", "0"))
    if flags.text("network") not in {"", "default"}:
        query.append(("networkmode", flags.text("network")))
    if flags.on("squash"):
        query.append(("squash", "1"))
    for name, value in (
        ("buildargs", _build_args(context, flags)),
        ("cachefrom", _images(flags.items("cache-from"))),
        ("labels", flags.mapping("label")),
        ("ulimits", flags.objects("ulimit")),
    ):
        if value:
            query.append((name, encode(value)))
    platform = flags.text("platform") or context.environment.get("DOCKER_DEFAULT_PLATFORM", "")
    if platform:
        query.append(("platform", platform.lower()))
    if prepared.remote:
        query.append(("remote", prepared.remote))
    return [*query, ("dockerfile", prepared.dockerfile), ("version", "1")]


def _images(sources: list[str]) -> list[str]:
    """The classic builder knows images only, several to a flag."""
    return [name for source in sources for name in source.split(",") if name]


def _announced(body: Iterator[bytes], out: TextIO) -> Iterator[bytes]:
    """Passes the context on and says how much went; on a terminal while it goes."""
    sent = shown = 0
    for piece in body:
        sent += len(piece)
        if out.isatty() and sent - shown >= PROGRESS_STEP:
            shown = sent
            out.write(f"Sending build context to the daemon {size3(sent):>8}\r")
            out.flush()
        yield piece
    out.write(f"Sending build context to the daemon {size3(sent):>8}\r\r\n")
    out.flush()


def _compressed(body: Iterator[bytes]) -> Iterator[bytes]:
    import zlib

    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    for piece in body:
        if data := packer.compress(piece):
            yield data
    yield packer.flush()


def _send(context: Context, flags: Flags, prepared: BuildContext, out: TextIO) -> Any:
    body = prepared.body
    if body is not None:
        body = _announced(body, out)
        if flags.on("compress"):
            body = _compressed(body)
    headers = {
        "Content-Type": "application/x-tar",
        "X-Registry-Config": all_auths_header(context),
    }
    query = _query(context, flags, prepared)
    return context.client.call("POST", "/build", query=query, headers=headers, body=body)


def run(context: Context, flags: Flags, arguments: list[str]) -> int:
    if uses_buildkit(context, flags):
        from sampan.cli.building.run import run as run_buildkit

        return run_buildkit(context, flags, arguments[0])
    return _run_classic(context, flags, arguments)


def _run_classic(context: Context, flags: Flags, arguments: list[str]) -> int:
    prepared = prepare(arguments[0], flags.text("file"))
    quiet = flags.on("quiet")
    out: TextIO = io.StringIO() if quiet else sys.stdout
    images: list[str] = []
    iidfile = flags.text("iidfile")
    if iidfile and os.path.exists(iidfile):  # noqa: PTH110
        os.unlink(iidfile)  # noqa: PTH108

    def on_aux(aux: dict[str, Any]) -> None:
        if aux.get("ID"):
            images.append(str(aux["ID"]))

    try:
        response = _send(context, flags, prepared, out)
        shown = io.StringIO() if quiet else out
        show_progress(context.client.objects(response), shown, on_aux=on_aux)
    except Exit as error:
        if quiet:
            context.err(f"{out.getvalue()}{shown.getvalue()}")  # type: ignore[attr-defined]
        raise Exit(error.status, error.message) from error
    if quiet:
        context.out(shown.getvalue())  # type: ignore[attr-defined]
    if iidfile:
        if not images:
            raise Exit(1, f"server did not provide an image ID. Cannot write {iidfile}")
        with open(iidfile, "w", encoding="ascii") as file:  # noqa: PTH123
            file.write(images[-1])
    return 0


BUILD = Command(
    run,
    "[OPTIONS] PATH | URL | -",
    flags=(
        Flag(
            "add-host",
            "",
            "list",
            'Add a custom host-to-IP mapping ("host:ip")',
            check=checks.extra_host,
        ),
        Flag("allow", "", "strings", "Allow an entitlement (network.host)"),
        Flag("build-arg", "", "list", "Set build-time variables"),
        Flag("build-context", "", "list", "Additional build contexts (name=path)"),
        Flag("cache-from", "", "list", "Images or caches to take steps from"),
        Flag("cache-to", "", "list", "Where to write the build cache (type=registry,ref=NAME)"),
        Flag("cgroup-parent", "", "string", "Parent cgroup for the RUN instructions"),
        Flag("check", "", "bool", "Check the Dockerfile and build nothing"),
        Flag("compress", "", "bool", "Compress the build context using gzip"),
        Flag("cpu-period", "", "int", "Limit the CPU CFS (Completely Fair Scheduler) period"),
        Flag("cpu-quota", "", "int", "Limit the CPU CFS (Completely Fair Scheduler) quota"),
        Flag("cpu-shares", "c", "int", "CPU shares (relative weight)"),
        Flag("cpuset-cpus", "", "string", "CPUs in which to allow execution (0-3, 0,1)"),
        Flag("cpuset-mems", "", "string", "MEMs in which to allow execution (0-3, 0,1)"),
        Flag("disable-content-trust", "", "bool", "Skip image verification", default=True),
        Flag("explain", "", "bool", "Say of each step why it was not cached"),
        Flag("file", "f", "string", 'Name of the Dockerfile (default "PATH/Dockerfile")'),
        Flag("force-rm", "", "bool", "Always remove intermediate containers"),
        Flag("iidfile", "", "string", "Write the image ID to the file"),
        Flag("isolation", "", "string", "Container isolation technology"),
        Flag("label", "", "list", "Set metadata for an image", check=checks.label),
        Flag("load", "", "bool", "Also name the image in the engine"),
        Flag("memory", "m", "bytes", "Memory limit"),
        Flag("memory-swap", "", "swap", "Memory plus swap: -1 to enable unlimited swap"),
        Flag("metadata-file", "", "string", "Write the build's result as JSON to the file"),
        Flag("network", "", "string", "Networking mode of the RUN instructions", default="default"),
        Flag("no-cache", "", "bool", "Do not use cache when building the image"),
        Flag("no-cache-filter", "", "strings", "Do not use cache for these stages"),
        Flag(
            "output",
            "o",
            "list",
            "Where the result goes (type=local|tar|oci|docker|image,dest=PATH)",
        ),
        Flag("platform", "", "string", "Platform of the image, such as linux/amd64"),
        Flag(
            "progress", "", "string", "Display: auto, plain, tty, rawjson or quiet", default="auto"
        ),
        Flag("pull", "", "bool", "Always attempt to pull a newer version of the image"),
        Flag("push", "", "bool", "Push the image to its registry"),
        Flag("quiet", "q", "bool", "Print only the image ID on success"),
        Flag("rm", "", "bool", "Remove intermediate containers after success", default=True),
        Flag("secret", "", "list", "Secret for RUN --mount (id=NAME[,src=PATH|,env=VARIABLE])"),
        Flag("security-opt", "", "strings", "Security options"),
        Flag("shm-size", "", "bytes", 'Size of "/dev/shm"'),
        Flag("squash", "", "bool", "Squash newly built layers into one", hidden=True),
        Flag("ssh", "", "list", "Agent or keys for RUN --mount (default|NAME[=SOCKET|KEY])"),
        Flag("tag", "t", "list", "Name and optionally a tag (name:tag)", check=_tag),
        Flag("target", "", "string", "Set the target build stage to build."),
        Flag("ulimit", "", "ulimit", "Ulimit options", check=checks.ulimit),
    ),
    least=1,
    most=1,
)
