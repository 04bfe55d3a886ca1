"""Names to what the engine wants: secrets and configs to ids, images to digests.

The client pins an image's digest, so that all nodes run the same; when the registry can't be asked
the service is made without, with a warning, as Docker's client does it.
"""

from __future__ import annotations

from sampan.cli.command import Exit
from sampan.cli.credentials import auth_header
from sampan.cli.references import BadReference, familiar, join, split
from sampan.client.api import filters_text
from sampan.client.errors import EngineError
from sampan.client.exchange import quote
from sampan.lib.jsontext import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.client.api import Client

    Document = dict[str, Any]


def file_references(client: Client, kind: str, wanted: list[Document]) -> list[Document]:
    """`kind` is secret or config. Raises Exit for one that isn't there, or a target twice."""
    if not wanted:
        return []
    targets = [each["target"] for each in wanted]
    for target in targets:
        if targets.count(target) > 1:
            raise Exit(1, f"duplicate {kind} target for {target} not allowed")
    names = sorted({each["source"] for each in wanted})
    query = [("filters", filters_text({"name": names}))]
    known = {each["Spec"]["Name"]: each["ID"] for each in client.get(f"/{kind}s", query)}
    found = []
    for each in wanted:
        if each["source"] not in known:
            raise Exit(1, f"{kind} not found: {each['source']}")
        file = {
            "Name": each["target"],
            "UID": each["uid"],
            "GID": each["gid"],
            "Mode": each["mode"],
        }
        word = kind.capitalize()
        found.append(
            {"File": file, f"{word}ID": known[each["source"]], f"{word}Name": each["source"]}
        )
    return found


def pin_image(context: Context, spec: Document) -> None:
    """Puts the digest to the image's name, and the platforms that it is for. Raises Exit."""
    container = spec["TaskTemplate"]["ContainerSpec"]
    image = container["Image"]
    try:
        name, label = split(image)
    except BadReference as error:
        raise Exit(1, str(error)) from error
    if ":" in label:
        return
    reference = join(familiar(name), label or "latest")
    container["Image"] = reference
    try:
        answer = context.client.call(
            "GET",
            f"/distribution/{quote(reference, '/:@')}/json",
            headers={"X-Registry-Auth": auth_header(context, name)},
        )
    except EngineError as error:
        context.err(warning(reference, error))
        return
    found = decode(answer.read())
    digest = (found.get("Descriptor") or {}).get("digest", "")
    if digest:
        container["Image"] = f"{reference}@{digest}"
    platforms = [
        {"Architecture": each.get("architecture", ""), "OS": each.get("os", "")}
        for each in found.get("Platforms") or ()
    ]
    if platforms:
        placement = spec["TaskTemplate"].get("Placement") or {}
        spec["TaskTemplate"]["Placement"] = {**placement, "Platforms": platforms}


def warning(reference: str, error: EngineError) -> str:
    if error.status in {401, 403}:
        why = "image " + reference + " could not be accessed on a registry to record\nits digest."
    else:
        why = f"image {reference} could not be accessed on a registry to record\nits digest."
    return (
        f"{why} Each node will access {reference} independently,\npossibly leading to different "
        f"nodes running different\nversions of the image.\n\n"
    )


def auth_headers(context: Context, spec: Document, *, send: bool) -> dict[str, str]:
    """For --with-registry-auth."""
    if not send:
        return {}
    image = spec["TaskTemplate"]["ContainerSpec"]["Image"].partition("@")[0]
    return {"X-Registry-Auth": auth_header(context, split(image)[0])}
