"""Images as tar archives: load, save, import."""

from __future__ import annotations

import sys

from sampan.cli.archive import open_input, pieces, save_body
from sampan.cli.command import Command, Exit
from sampan.cli.flags import Flag
from sampan.cli.platforms import platform_query
from sampan.cli.progress import show_progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags


def load(context: Context, flags: Flags, _arguments: list[str]) -> int:
    source = flags.text("input")
    if not source and sys.stdin.isatty():
        raise Exit(1, "requested load from stdin, but stdin is empty")
    quiet = flags.on("quiet") or not sys.stdout.isatty()
    query = [("quiet", "1" if quiet else "0"), *platform_query(flags.text("platform"))]
    with open_input(source or "-") as file:
        response = context.client.call(
            "POST",
            "/images/load",
            query=query,
            headers={"Content-Type": "application/x-tar"},
            body=pieces(file),
        )
    if response.headers.get("content-type", "").startswith("application/json"):
        show_progress(context.client.objects(response), sys.stdout)
    else:
        save_body(response, "")
    return 0


def save(context: Context, flags: Flags, names: list[str]) -> int:
    target = flags.text("output")
    if not target and sys.stdout.isatty():
        raise Exit(1, "cowardly refusing to save to a terminal. Use the -o flag or redirect")
    query = [("names", name) for name in names] + platform_query(flags.text("platform"))
    save_body(context.client.call("GET", "/images/get", query=query), target)
    return 0


def import_(context: Context, flags: Flags, words: list[str]) -> int:
    source = words[0]
    query = [("changes", change) for change in flags.items("change")]
    if flags.text("message"):
        query.append(("message", flags.text("message")))
    if flags.text("platform"):
        query.append(("platform", flags.text("platform").lower()))
    if len(words) > 1:
        query.append(("repo", words[1]))
    if source.startswith(("http://", "https://")):
        response = context.client.call(
            "POST", "/images/create", query=[*query, ("fromSrc", source)]
        )
    else:
        with open_input(source) as file:
            response = context.client.call(
                "POST",
                "/images/create",
                query=[*query, ("fromSrc", "-")],
                headers={"Content-Type": "text/plain"},
                body=pieces(file),
            )
    show_progress(context.client.objects(response), sys.stdout)
    return 0


LOAD = Command(
    load,
    "[OPTIONS]",
    flags=(
        Flag("input", "i", "string", "Read from tar archive file, instead of STDIN"),
        Flag("platform", "", "string", "Load only this platform (os[/arch[/variant]])"),
        Flag("quiet", "q", "bool", "Suppress the load output"),
    ),
)
SAVE = Command(
    save,
    "[OPTIONS] IMAGE [IMAGE...]",
    flags=(
        Flag("output", "o", "string", "Write to a file, instead of STDOUT"),
        Flag("platform", "", "string", "Save only this platform (os[/arch[/variant]])"),
    ),
    least=1,
    most=None,
)
IMPORT = Command(
    import_,
    "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
    flags=(
        Flag("change", "c", "list", "Apply Dockerfile instruction to the created image"),
        Flag("message", "m", "string", "Set commit message for imported image"),
        Flag("platform", "", "string", "Platform of the image, such as linux/amd64"),
    ),
    least=1,
    most=2,
)
