"""`build` over BuildKit's protocol, from flags to the exit status.

Progress goes to standard error; standard output has nothing but what was asked for (an archive,
the image's id with -q, the findings of --check). Displays take updates as they come and are ticked
ten times a second:

    auto, plain    plain.py       tty   live.py       rawjson   rawjson.py      quiet   nothing
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack

from sampan.cli.building import endings, fields
from sampan.cli.building.agents import lent
from sampan.cli.building.request import outputs_of, places_of, solve_request
from sampan.cli.building.sources import prepare
from sampan.cli.building.trace import Trace
from sampan.cli.command import Exit
from sampan.cli.credentials import auth_of
from sampan.cli.references import INDEX_KEY
from sampan.client.buildkit.session import Offer
from sampan.client.buildkit.solve import solve
from sampan.rpc.calls import CallFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol, TextIO

    from sampan.cli.building.trace import Line
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags
    from sampan.wire.buildkit.control import SolveRequest, StatusResponse

    class Display(Protocol):
        def update(self, update: StatusResponse, lines: list[tuple[str, Line]]) -> None: ...
        def tick(self) -> None: ...
        def finish(self) -> None: ...


MODES = ("auto", "plain", "tty", "rawjson", "quiet")
HUB_HOSTS = frozenset({"registry-1.docker.io", "docker.io", "index.docker.io"})


class Silent:
    def update(self, update: StatusResponse, lines: list[tuple[str, Line]]) -> None:
        return

    def tick(self) -> None:
        return

    def finish(self) -> None:
        return


def mode_of(context: Context, flags: Flags) -> str:
    """Raises Exit."""
    if flags.on("quiet"):
        return "quiet"
    mode = flags.text("progress")
    if mode in {"", "auto"}:
        mode = context.environment.get("BUILDKIT_PROGRESS", "") or "auto"
    if mode not in MODES:
        raise Exit(1, f"ERROR: invalid progress mode {mode}: one of {', '.join(MODES)}")
    if mode == "auto":
        return "tty" if sys.stderr.isatty() else "plain"
    return mode


def _display(mode: str, trace: Trace, out: TextIO, environment: Mapping[str, str]) -> Display:
    match mode:
        case "plain":
            from sampan.cli.building.plain import Plain

            return Plain(trace, out)
        case "tty":
            from sampan.cli.building.live import Live

            return Live(trace, out, colours="NO_COLOR" not in environment)
        case "rawjson":
            from sampan.cli.building.rawjson import RawJson

            return RawJson(out)
        case _:
            return Silent()


def run(context: Context, flags: Flags, source: str) -> int:
    mode = mode_of(context, flags)
    trace = Trace()
    display = _display(mode, trace, sys.stderr, context.environment)
    _remove(flags.text("iidfile"))
    with ExitStack() as stack:
        sources = prepare(source, flags.text("file"), stack)
        wanted = outputs_of(flags)
        request = solve_request(context, flags, sources, wanted)
        agent = fields.checked("ssh", lambda text: fields.agent(text, context.environment))
        secret = fields.checked("secret", lambda text: fields.secret(text, context.environment))
        offer = Offer(
            directories=sources.directories,
            outputs=places_of(wanted),
            secrets=dict(secret(text) for text in flags.items("secret")),  # type: ignore[misc]
            agents=stack.enter_context(
                lent(dict(agent(text) for text in flags.items("ssh")))  # type: ignore[misc]
            ),
            credentials=lambda host: credentials_of(context, host),
            uploads=sources.uploads,
        )
        answer = _solved(context, request, offer, trace, display)
    if flags.on("check"):
        return _checked(answer)
    _tell(flags, mode, trace)
    _write_results(context, flags, mode, answer)
    return 0


def credentials_of(context: Context, host: str) -> tuple[str, str]:
    """(user, secret); a token has no user."""
    auth = auth_of(context.config, INDEX_KEY if host in HUB_HOSTS else host)
    if auth.get("identitytoken"):
        return "", auth["identitytoken"]
    return auth.get("username", ""), auth.get("password", "")


def _solved(
    context: Context, request: SolveRequest, offer: Offer, trace: Trace, display: Display
) -> Mapping[str, str]:
    def on_status(update: StatusResponse) -> None:
        display.update(update, trace.add(update))

    try:
        answer = solve(context.client, request, offer, on_status=on_status, tick=display.tick)
    except CallFailed as error:
        display.finish()
        sys.stdout.flush()
        sys.stderr.write(endings.failure(trace, error.status))
        raise Exit(1, f"ERROR: failed to solve: {error.message}") from error
    except BaseException:
        display.finish()
        raise
    display.finish()
    return answer


def _tell(flags: Flags, mode: str, trace: Trace) -> None:
    if mode in {"plain", "tty"}:
        sys.stderr.write(endings.warnings(trace.warnings))
    if flags.on("explain") and mode != "rawjson":
        sys.stderr.write(endings.explanations(trace))


def _write_results(context: Context, flags: Flags, mode: str, answer: Mapping[str, str]) -> None:
    image = answer.get("containerimage.config.digest", "")
    if flags.on("quiet") and image:
        context.say(image)
    if flags.text("iidfile"):
        if not image:
            raise Exit(
                1, f"ERROR: the result has no image ID: cannot write {flags.text('iidfile')}"
            )
        _write(flags.text("iidfile"), image)
    if flags.text("metadata-file"):
        text = json.dumps(dict(sorted(answer.items())), indent=2)
        _write(flags.text("metadata-file"), text + "\n")


def _checked(answer: Mapping[str, str]) -> int:
    """The status of buildx: 1 when anything was found."""
    text = answer.get("result.txt", "").rstrip("\n")
    results = json.loads(answer.get("result.json", "{}"))
    count = len(results.get("warnings") or ())
    failed = bool(results.get("buildError"))
    if text:
        sys.stdout.write(text + ("\n" if failed else "\n\n"))
    if not failed:
        found = "1 warning has" if count == 1 else f"{count} warnings have"
        verdict = f"{found} been found!" if count else "no warnings found."
        sys.stdout.write(f"Check complete, {verdict}\n")
    return int(answer.get("result.statuscode", "0"))


def _remove(path: str) -> None:
    if path and os.path.exists(path):  # noqa: PTH110
        os.unlink(path)  # noqa: PTH108


def _write(path: str, text: str) -> None:
    temporary = f"{path}.{os.urandom(5).hex()}"
    with open(temporary, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(text)
    os.rename(temporary, path)  # noqa: PTH104
