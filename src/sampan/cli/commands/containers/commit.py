"""`commit`: an image from a container's changes."""

from __future__ import annotations

from sampan.cli.command import Command, Exit
from sampan.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags


def _target(text: str) -> list[tuple[str, str]]:
    from sampan.cli.references import BadReference, split

    try:
        name, label = split(text)
    except BadReference as error:
        raise Exit(1, str(error)) from error
    if ":" in label:
        raise Exit(1, "cannot use digest reference")
    return [("repo", name), ("tag", label or "latest")]


def run(context: Context, flags: Flags, words: list[str]) -> int:
    query = [
        ("author", flags.text("author")),
        ("comment", flags.text("message")),
        ("container", words[0]),
    ]
    query += [("changes", change) for change in flags.items("change")]
    if not flags.on("pause"):
        query.append(("pause", "0"))
    if len(words) > 1:
        query += _target(words[1])
    context.say(context.client.post("/commit", query)["Id"])
    return 0


COMMIT = Command(
    run,
    "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    flags=(
        Flag("author", "a", "string", 'Author (e.g., "Ada <ada@example.com>")'),
        Flag("change", "c", "list", "Apply Dockerfile instruction to the created image"),
        Flag("message", "m", "string", "Commit message"),
        Flag("pause", "p", "bool", "Pause container during commit", default=True),
    ),
    least=1,
    most=2,
)
