"""Names of images: tag and rmi."""

from __future__ import annotations

from sampan.cli.command import Command, Exit
from sampan.cli.flags import Flag
from sampan.cli.platforms import platform_json
from sampan.client.errors import EngineError
from sampan.client.exchange import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags


def path(name: str, act: str = "") -> str:
    return f"/images/{quote(name, '/:@')}{act}"


def tag(context: Context, _flags: Flags, names: list[str]) -> int:
    from sampan.cli.references import BadReference, split

    source, target = names
    try:
        repository, label = split(target)
    except BadReference as error:
        raise Exit(
            1, f'Error parsing reference: "{target}" is not a valid repository/tag: {error}'
        ) from error
    context.client.post(path(source, "/tag"), [("repo", repository), ("tag", label or "latest")])
    return 0


def remove(context: Context, flags: Flags, names: list[str]) -> int:
    query = [("force", "1")] if flags.on("force") else []
    if flags.on("no-prune"):
        query.append(("noprune", "1"))
    query += [("platforms", platform_json(each)) for each in flags.items("platform")]
    status = 0
    for name in names:
        try:
            removed = context.client.delete(path(name), query)
        except EngineError as error:
            context.err(error.message + "\n")
            if not (flags.on("force") and error.status == 404):
                status = 1
            continue
        for step in removed or ():
            if "Deleted" in step:
                context.say(f"Deleted: {step['Deleted']}")
            else:
                context.say(f"Untagged: {step['Untagged']}")
    return status


TAG = Command(tag, "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", least=2, most=2)
RM = Command(
    remove,
    "[OPTIONS] IMAGE [IMAGE...]",
    flags=(
        Flag("force", "f", "bool", "Force removal of the image"),
        Flag("no-prune", "", "bool", "Do not delete untagged parents"),
        Flag("platform", "", "strings", "Remove only this platform (os[/arch[/variant]])"),
    ),
    least=1,
    most=None,
)
