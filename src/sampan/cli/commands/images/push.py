"""`push`: an image to its registry."""

from __future__ import annotations

import sys

from sampan.cli.command import Command, Exit
from sampan.cli.credentials import auth_header
from sampan.cli.flags import Flag
from sampan.cli.platforms import platform_query
from sampan.cli.progress import show_progress
from sampan.cli.references import BadReference, join, split
from sampan.client.exchange import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags


def run(context: Context, flags: Flags, names: list[str]) -> int:
    try:
        name, label = split(names[0])
    except BadReference as error:
        raise Exit(1, str(error)) from error
    quiet, every = flags.on("quiet"), flags.on("all-tags")
    if every and label:
        raise Exit(1, "tag can't be used with --all-tags/-a")
    if not every and not label:
        label = "latest"
        if not quiet:
            context.say(f"Using default tag: {label}")
    query = [("tag", label)] if label else []
    query += platform_query(flags.text("platform"))
    response = context.client.call(
        "POST",
        f"/images/{quote(name, '/:')}/push",
        query=query,
        headers={"X-Registry-Auth": auth_header(context, name)},
    )
    show_progress(context.client.objects(response), None if quiet else sys.stdout)
    if quiet:
        context.say(join(name, label))
    return 0


PUSH = Command(
    run,
    "[OPTIONS] NAME[:TAG]",
    flags=(
        Flag("all-tags", "a", "bool", "Push all tags of an image to the repository"),
        Flag("disable-content-trust", "", "bool", "Skip image signing", default=True),
        Flag("platform", "", "string", "Push only this platform of the image", hidden=True),
        Flag("quiet", "q", "bool", "Suppress verbose output"),
    ),
    least=1,
    most=1,
)
