"""`hub user` and `hub org`: accounts of a hub, by its database; their flags are the hub's."""

from __future__ import annotations

from sampan.cli.command import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.flags import Flags


def users(_context: Context, _flags: Flags, words: list[str]) -> int:
    module = __import__("sampan.hub.administering", fromlist=["user_entry"])
    return int(module.user_entry(words))


def organisations(_context: Context, _flags: Flags, words: list[str]) -> int:
    module = __import__("sampan.hub.administering", fromlist=["organisation_entry"])
    return int(module.organisation_entry(words))


USER = Command(
    users, "add|list|passwd|quota|remove --root DIR [OPTIONS] [NAME]", most=None, raw=True
)
ORG = Command(
    organisations, "add|list|member|quota|remove --root DIR [OPTIONS] [NAME]", most=None, raw=True
)
