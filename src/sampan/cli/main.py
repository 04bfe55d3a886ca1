"""The entry point: global flags, finding the verb, and how every command line ends.

    sampan [--host|-H URL] [OPTIONS] VERB ...

Start-up is most of what a listing costs, so nothing is imported before it is needed: the verb's
module through `lazy.VERBS`, help through `usage`. Modules on the way of a listing keep to
`sys`, `_socket` and `_json`. Exit statuses: 0; 1 for a failed request or wrong arguments; 125
for words that break the flag grammar and for `run` failing before the container's program does;
a verb's own status otherwise; 130 after an interrupt.
"""

from __future__ import annotations

import sys

from sampan.cli.command import PROGRAM, Exit
from sampan.cli.context import Context
from sampan.cli.flags import Flag, FlagError, Flags, parse
from sampan.cli.lazy import ALIASES, GROUPS, VERBS
from sampan.errors import SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.cli.command import Command
    from sampan.client.transport import TlsFiles

VERSION = "0.1.0"
FLAG_STATUS = 125
INTERRUPTED = 130
COMPOSE = "sampan.cli.commands.compose.main"

GLOBAL_FLAGS = (
    Flag("config", "", "string", "Directory of the client's configuration files"),
    Flag("context", "c", "string", "Name of the context to use (only default)", hidden=True),
    Flag("debug", "D", "bool", "Enable debug mode"),
    Flag("host", "H", "list", "Daemon socket to connect to"),
    Flag("log-level", "l", "string", "Set the logging level", default="info"),
    Flag("tls", "", "bool", "Use TLS; implied by --tlsverify"),
    Flag("tlscacert", "", "string", "Trust certs signed only by this CA"),
    Flag("tlscert", "", "string", "Path to TLS certificate file"),
    Flag("tlskey", "", "string", "Path to TLS key file"),
    Flag("tlsverify", "", "bool", "Use TLS and verify the remote"),
    Flag("version", "v", "bool", "Print version information and quit"),
)


def find_verb(words: Sequence[str]) -> tuple[str, int]:
    """The spelling of the verb that `words` begin with, and how many words it took."""
    for count in (3, 2, 1):
        spelling = " ".join(words[:count])
        spelling = ALIASES.get(spelling, spelling)
        if len(words) >= count and spelling in VERBS:
            return spelling, count
    return "", 0


def load(words: str) -> Command:
    module, _, name = VERBS[words].partition(":")
    path = f"sampan.cli.commands.{module}"
    __import__(path)
    command: Command = getattr(sys.modules[path], name)
    return command


def tls_files(flags: Flags, environment: dict[str, str]) -> TlsFiles | None:
    verify = flags.on("tlsverify") or bool(environment.get("DOCKER_TLS_VERIFY"))
    if not (verify or flags.on("tls")):
        return None
    from sampan.cli.config import default_directory
    from sampan.client.transport import TlsFiles

    folder = environment.get("DOCKER_CERT_PATH") or default_directory(environment)
    return TlsFiles(
        flags.text("tlscacert") or f"{folder}/ca.pem",
        flags.text("tlscert") or _if_there(f"{folder}/cert.pem"),
        flags.text("tlskey") or _if_there(f"{folder}/key.pem"),
        verify=verify,
    )


def _if_there(path: str) -> str:
    """A client may do without a certificate of its own."""
    import os

    return path if os.access(path, os.F_OK) else ""


def _unknown(words: Sequence[str]) -> int:
    if words[0] in GROUPS:
        path = f"{PROGRAM} {words[0]}"
        usage = f"\nUsage:  {path}\n"
    else:
        path, usage = PROGRAM, ""
    sys.stderr.write(
        f"{PROGRAM}: unknown command: {path} {words[-1]}\n{usage}\n"
        f"Run '{path} --help' for more information\n"
    )
    return 1


def _without_verb(words: list[str]) -> int:
    """Help, or the complaint about an unknown verb."""
    from sampan.cli.usage import group_help, root_help

    if not words:
        sys.stdout.write(root_help(GLOBAL_FLAGS))
        return 0
    if words[0] in GROUPS:
        if len(words) == 1 or words[1] in {"--help", "-h"}:
            sys.stdout.write(group_help(words[0]))
            return 0
        if words[1].startswith("-"):
            raise FlagError(f"unknown flag: {words[1]}")
    return _unknown(words[:2] if words[0] in GROUPS else words[:1])


def _flag_failure(words: str, usage: str, error: FlagError) -> int:
    path = f"{PROGRAM} {words}".rstrip()
    sys.stderr.write(
        f"{error.message}\n\nUsage:  {path} {usage}\n\nRun '{path} --help' for more information\n"
    )
    return FLAG_STATUS


def _count_failure(words: str, command: Command, complaint: str) -> int:
    path = f"{PROGRAM} {words}"
    look = "See" if command.most is None else "Run"
    sys.stderr.write(
        f"{PROGRAM}: '{path}' {complaint}\n\nUsage:  {path} {command.usage}\n\n"
        f"{look} '{path} --help' for more information\n"
    )
    return 1


def _fail(words: str, command: Command, error: SampanError) -> int:
    if isinstance(error, Exit):
        if error.message:
            sys.stderr.write(error.message + "\n")
        return error.status
    if command.failure_status == FLAG_STATUS:
        sys.stderr.write(
            f"{PROGRAM}: {error.message}\n\nRun '{PROGRAM} {words} --help' for more information\n"
        )
    else:
        sys.stderr.write(error.message + "\n")
    if error.hint:
        sys.stderr.write(f"Hint: {error.hint}\n")
    return command.failure_status


def _run_verb(context: Context, words: str, arguments: list[str]) -> int:
    command = load(words)
    try:
        if command.raw:
            return command.run(context, Flags(()), arguments)
        flags, rest = parse(command.flags, arguments, interspersed=command.interspersed)
    except FlagError as error:
        return _flag_failure(words, command.usage, error)
    if flags.on("help"):
        from sampan.cli.usage import verb_help

        sys.stdout.write(verb_help(words, command))
        return 0
    if complaint := command.count_complaint(len(rest)):
        return _count_failure(words, command, complaint)
    context.words = words
    try:
        return command.run(context, flags, rest)
    except SampanError as error:
        sys.stdout.flush()
        return _fail(words, command, error)


def single_host(flags: Flags) -> str:
    hosts = flags.items("host")
    if len(hosts) > 1:
        raise Exit(1, "Specify only one -H")
    return "".join(hosts)


def main(arguments: list[str], environment: dict[str, str]) -> int:
    """Runs one command line and returns its exit status."""
    try:
        flags, words = parse(GLOBAL_FLAGS, arguments, interspersed=False)
        if flags.on("version"):
            sys.stdout.write(f"Sampan version {VERSION}\n")
            return 0
        if flags.on("help"):
            words = []
        elif words[:1] == ["help"]:
            words = [*words[1:], "--help"] if words[1:] else []
        verb, taken = find_verb(words)
        if not verb:
            return _without_verb(words)
        context = Context(
            environment,
            host=single_host(flags),
            tls=tls_files(flags, environment),
            config_dir=flags.text("config"),
            debug=flags.on("debug"),
        )
    except FlagError as error:
        return _flag_failure("", "[OPTIONS] COMMAND [ARG...]", error)
    except Exit as error:
        sys.stderr.write(error.message + "\n")
        return error.status
    return _run_verb(context, verb, words[taken:])


def entry() -> int:
    """The console script. Ends quietly when the reader of its output has gone."""
    import os

    try:
        status = main(sys.argv[1:], dict(os.environ))
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = 141  # 128 + SIGPIPE: what a program that doesn't ignore the signal ends with
    if COMPOSE in sys.modules:  # taking its many modules down would take as long as a request
        sys.stderr.flush()
        os._exit(status)
    return status
