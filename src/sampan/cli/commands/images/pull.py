"""`pull`: an image, or with -a all tags of a repository."""

from __future__ import annotations

from sampan.cli.command import Command, Exit
from sampan.cli.flags import Flag
from sampan.cli.pulling import pull_image
from sampan.cli.references import BadReference, join, split

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
    pull_image(context, name, label, platform=flags.text("platform"), quiet=quiet)
    context.say(join(name, label))
    return 0


PULL = Command(
    run,
    "[OPTIONS] NAME[:TAG|@DIGEST]",
    flags=(
        Flag("all-tags", "a", "bool", "Download all tagged images in the repository"),
        Flag("disable-content-trust", "", "bool", "Skip image verification", default=True),
        Flag("platform", "", "string", "Platform of the image, such as linux/amd64"),
        Flag("quiet", "q", "bool", "Suppress verbose output"),
    ),
    least=1,
    most=1,
)
