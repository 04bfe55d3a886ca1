"""Pulling an image for `pull`, and for `run` and `create` when it is missing."""

from __future__ import annotations

import sys

from sampan.cli.credentials import auth_header
from sampan.cli.progress import show_progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context


def pull_image(
    context: Context,
    name: str,
    label: str,
    *,
    platform: str = "",
    quiet: bool = False,
    to_stderr: bool = False,
) -> None:
    """Pulls a canonical name; `label` is a tag, a digest, or "" for all tags.

    Raises Exit when the engine reports a failure inside the progress.
    """
    query = [("fromImage", name)]
    if platform:
        query.append(("platform", platform.lower()))
    if label:
        query.append(("tag", label))
    response = context.client.call(
        "POST",
        "/images/create",
        query=query,
        headers={"X-Registry-Auth": auth_header(context, name)},
    )
    out = None if quiet else (sys.stderr if to_stderr else sys.stdout)
    show_progress(context.client.objects(response), out)
