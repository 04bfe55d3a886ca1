"""`volume create` and `volume rm`."""

from __future__ import annotations

from sampan.cli.command import Command
from sampan.cli.each import for_each
from sampan.cli.flags import Flag
from sampan.client.exchange import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags


def create(context: Context, flags: Flags, names: list[str]) -> int:
    body: dict[str, object] = {
        "Driver": flags.text("driver"),
        "DriverOpts": flags.mapping("opt"),
        "Labels": flags.mapping("label"),
    }
    if names:
        body["Name"] = names[0]
    context.out(context.client.post("/volumes/create", body=body)["Name"] + "\n")
    return 0


def remove(context: Context, flags: Flags, names: list[str]) -> int:
    query = [("force", "1")] if flags.on("force") else []
    return for_each(
        context, names, lambda name: context.client.delete(f"/volumes/{quote(name)}", query)
    )


CREATE = Command(
    create,
    "[OPTIONS] [VOLUME]",
    flags=(
        Flag("driver", "d", "string", "Specify volume driver name", default="local"),
        Flag("label", "", "list", "Set metadata for a volume"),
        Flag("opt", "o", "map", "Set driver specific options"),
    ),
    most=1,
)
RM = Command(
    remove,
    "[OPTIONS] VOLUME [VOLUME...]",
    flags=(Flag("force", "f", "bool", "Force the removal of one or more volumes"),),
    least=1,
    most=None,
)
