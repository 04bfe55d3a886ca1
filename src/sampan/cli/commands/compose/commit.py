"""`commit` and `export`: an image, or a tar, from a service's container."""

from __future__ import annotations

from sampan.cli.archive import save_body
from sampan.cli.command import Exit
from sampan.cli.commands.compose.selecting import containers_of
from sampan.cli.commands.compose.verb import Verb
from sampan.cli.flags import Flag
from sampan.compose.progress import Reporter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.cli.flags import Flags
    from sampan.compose.observe import ObservedContainer


def _container(context: ComposeContext, service: str, index: int) -> ObservedContainer:
    """Running or not."""
    found = containers_of(context, [service])
    for container in found:
        if container.number == index or not index:
            return container
    number = f" #{index}" if index else ""
    raise Exit(1, f'service "{service}" has no container{number}')


def commit(context: ComposeContext, flags: Flags, words: list[str]) -> int:
    from sampan.cli.references import BadReference, split

    container = _container(context, words[0], flags.number("index"))
    query = [
        ("author", flags.text("author")),
        ("comment", flags.text("message")),
        ("container", container.id),
        *(("changes", change) for change in flags.items("change")),
    ]
    if not flags.on("pause"):
        query.append(("pause", "0"))
    if len(words) > 1:
        try:
            name, label = split(words[1])
        except BadReference as error:
            raise Exit(1, str(error)) from error
        query += [("repo", name), ("tag", label or "latest")]
    with context.display("Committing") as display:
        reporter = Reporter(display, container.name)
        reporter.working(f"Commit {container.name} Committing")
        identity = context.cli.client.post("/commit", query)["Id"]
        reporter.done(f"Commit {container.name} Committed as {identity}")
    return 0


def export(context: ComposeContext, flags: Flags, words: list[str]) -> int:
    import sys

    container = _container(context, words[0], flags.number("index"))
    output = flags.text("output")
    if not output and sys.stdout.isatty():
        raise Exit(1, "output option is required when exporting to terminal")
    response = context.cli.client.call("GET", f"/containers/{container.id}/export")
    save_body(response, output)
    return 0


INDEX = Flag("index", "", "int", "index of the container if service has multiple replicas")
COMMIT = Verb(
    commit,
    "[OPTIONS] SERVICE [REPOSITORY[:TAG]]",
    "Create a new image from a service container's changes",
    flags=(
        Flag("author", "a", "string", 'Author (e.g., "Ada <ada@example.com>")'),
        Flag("change", "c", "list", "Apply Dockerfile instruction to the created image"),
        INDEX,
        Flag("message", "m", "string", "Commit message"),
        Flag("pause", "p", "bool", "Pause container during commit", default=True),
    ),
    least=1,
    most=2,
)
EXPORT = Verb(
    export,
    "[OPTIONS] SERVICE",
    "Export a service container's filesystem as a tar archive",
    flags=(INDEX, Flag("output", "o", "string", "Write to a file, instead of STDOUT")),
    least=1,
    most=1,
)
