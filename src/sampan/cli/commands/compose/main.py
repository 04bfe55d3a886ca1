"""`compose`: its own options, then one of its verbs.

    sampan compose [-f FILE] [-p NAME] [--profile NAME] ... VERB ...

Which verb lives in which module stands in `VERBS`; nothing but the verb asked for is imported.
Exit statuses are Docker Compose's: 1 for what failed and for wrong words, a program's own status
for `run`, `exec` and `up --exit-code-from`, 130 after an interrupt.
"""

from __future__ import annotations

import gc
import sys

from sampan.cli.command import PROGRAM, Command, Exit
from sampan.cli.flags import Flag, FlagError, parse
from sampan.errors import SampanError, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.commands.compose.verb import Verb
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

FAILED = 1
INTERRUPTED = 130
COLLECT_AFTER = 100_000  # new objects: loading modules and files makes hardly any garbage

VERBS = {
    "attach": ("exec:ATTACH", "Attach local streams to a service's running container"),
    "build": ("build:BUILD", "Build or rebuild services"),
    "commit": ("commit:COMMIT", "Create a new image from a service container's changes"),
    "config": ("config:CONFIG", "Parse, resolve and render compose file in canonical format"),
    "cp": ("cp:CP", "Copy files/folders between a service container and the local filesystem"),
    "create": ("up:CREATE", "Creates containers for a service"),
    "down": ("down:DOWN", "Stop and remove containers, networks"),
    "events": ("events:EVENTS", "Receive real time events from containers"),
    "exec": ("exec:EXEC", "Execute a command in a running container"),
    "export": ("commit:EXPORT", "Export a service container's filesystem as a tar archive"),
    "images": ("listing:IMAGES", "List images used by the created containers"),
    "kill": ("lifecycle:KILL", "Force stop service containers"),
    "logs": ("logs:LOGS", "View output from containers"),
    "ls": ("listing:LS", "List running compose projects"),
    "pause": ("lifecycle:PAUSE", "Pause services"),
    "port": ("port:PORT", "Print the public port for a port binding"),
    "ps": ("ps:PS", "List containers"),
    "pull": ("transfer:PULL", "Pull service images"),
    "push": ("transfer:PUSH", "Push service images"),
    "restart": ("lifecycle:RESTART", "Restart service containers"),
    "rm": ("lifecycle:RM", "Removes stopped service containers"),
    "run": ("run:RUN", "Run a one-off command on a service"),
    "scale": ("scale:SCALE", "Scale services"),
    "start": ("lifecycle:START", "Start services"),
    "stats": ("stats:STATS", "Display a live stream of container(s) resource usage statistics"),
    "stop": ("lifecycle:STOP", "Stop services"),
    "top": ("top:TOP", "Display the running processes"),
    "unpause": ("lifecycle:UNPAUSE", "Unpause services"),
    "up": ("up:UP", "Create and start containers"),
    "version": ("version:VERSION", "Show the Docker Compose version information"),
    "volumes": ("listing:VOLUMES", "List volumes"),
    "wait": ("top:WAIT", "Block until containers of all (or specified) services stop."),
    "watch": ("watch:WATCH", "Rebuild or refresh containers when files are updated"),
}
ALIASES = {"convert": "config"}

GLOBAL_FLAGS = (
    Flag("all-resources", "", "bool", "Include all resources, even those not used by services"),
    Flag(
        "ansi",
        "",
        "string",
        'Control when to print ANSI control characters ("never"|"always"|"auto")',
        default="auto",
    ),
    Flag("compatibility", "", "bool", "Names as Compose 1 made them (refused)", hidden=True),
    Flag("dry-run", "", "bool", "Show what would be done: exit status 0 for nothing, else 2"),
    Flag("env-file", "", "stringArray", "Specify an alternate environment file"),
    Flag("file", "f", "stringArray", "Compose configuration files"),
    Flag("no-ansi", "", "bool", "Do not print ANSI control characters", hidden=True),
    Flag(
        "parallel",
        "",
        "int",
        "Control max parallelism, -1 for unlimited",
        default=-1,
        shown="-1",
    ),
    Flag("profile", "", "stringArray", "Specify a profile to enable"),
    Flag("progress", "", "string", "Set type of progress output (auto, tty, plain, json, quiet)"),
    Flag("project-directory", "", "string", "Specify an alternate working directory"),
    Flag("project-name", "p", "string", "Project name"),
    Flag("verbose", "", "bool", "Show more output", hidden=True),
    Flag("version", "v", "bool", "Show the Docker Compose version information", hidden=True),
    Flag("workdir", "", "string", "Specify an alternate working directory", hidden=True),
)


def load(name: str) -> Verb:
    module, _, attribute = VERBS[name][0].partition(":")
    path = f"sampan.cli.commands.compose.{module}"
    __import__(path)
    verb: Verb = getattr(sys.modules[path], attribute)
    return verb


def _help() -> str:
    from sampan.cli.usage import flag_lines

    width = max(map(len, VERBS)) + 1
    return "\n".join(
        [
            f"Usage:  {PROGRAM} compose [OPTIONS] COMMAND",
            "",
            "Define and run multi-container applications",
            "",
            "Options:",
            *flag_lines(GLOBAL_FLAGS),
            "",
            "Commands:",
            *(f"  {name.ljust(width)} {summary}" for name, (_, summary) in sorted(VERBS.items())),
            "",
            f"Run '{PROGRAM} compose COMMAND --help' for more information on a command.",
            "",
        ]
    )


def run(context: Context, _flags: Flags, words: list[str]) -> int:
    gc.set_threshold(COLLECT_AFTER)
    try:
        given, rest = parse(GLOBAL_FLAGS, words, interspersed=False)
        return _dispatch(context, given, rest)
    except Exit as error:
        sys.stdout.flush()
        if error.message:
            sys.stderr.write(error.message + "\n")
        return error.status
    except SampanError as error:
        sys.stdout.flush()
        sys.stderr.write(error.message + "\n")
        if error.hint:
            sys.stderr.write(f"Hint: {error.hint}\n")
        return FAILED
    except KeyboardInterrupt:
        sys.stderr.write("canceled\n")
        return INTERRUPTED


def _dispatch(context: Context, given: Flags, rest: list[str]) -> int:
    if given.on("version"):
        rest = ["version"]
    if rest[:1] == ["help"]:
        rest = [*rest[1:2], "--help"] if rest[1:] else []
    if not rest or given.on("help") or rest[0] == "--help":
        context.out(_help())
        return 0
    name = ALIASES.get(rest[0], rest[0])
    if name not in VERBS:
        raise FlagError(f'unknown docker command: "compose {rest[0]}"')
    if given.on("compatibility"):
        raise Unsupported(
            "--compatibility is not supported: names are joined with hyphens, as Compose 2 does"
        )
    verb = load(name)
    flags, arguments = parse(verb.flags, rest[1:], interspersed=verb.interspersed)
    if flags.on("help"):
        context.out(verb.help(name))
        return 0
    if complaint := verb.count_complaint(len(arguments)):
        raise FlagError(complaint)
    from sampan.cli.commands.compose.context import ComposeContext

    context.words = f"compose {name}"
    return verb.run(ComposeContext(context, given), flags, arguments)


COMPOSE = Command(
    run,
    "[OPTIONS] COMMAND",
    most=None,
    raw=True,
    description="Define and run multi-container applications",
)
