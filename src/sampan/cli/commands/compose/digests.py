"""Images pinned to the digest that their tag has in the registry now, as the engine sees it."""

from __future__ import annotations

from typing import Any

from sampan.cli.credentials import auth_header
from sampan.client.exchange import quote
from sampan.lib.jsontext import decode
from sampan.lib.records import replace
from sampan.oci.digest import parse_digest
from sampan.oci.reference import parse_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.compose.model import Project


def pinned(project: Project, context: Context) -> Project:
    """The project with every service's image by digest. Raises EngineError."""
    services = {
        name: replace(service, image=pin(service.image, context)) if service.image else service
        for name, service in project.services.items()
    }
    return replace(project, services=services)


def pinned_tree(tree: dict[str, Any], context: Context) -> dict[str, Any]:
    """The same for a tree that hasn't become records."""
    services = {
        name: {**service, "image": pin(service["image"], context)}
        if service and service.get("image")
        else service
        for name, service in (tree.get("services") or {}).items()
    }
    return {**tree, "services": services}


def pin(image: str, context: Context) -> str:
    """The canonical name with tag and digest. Raises EngineError."""
    reference = parse_reference(image).with_default_tag()
    if reference.digest is not None:
        return f"{reference.name}@{reference.digest}"  # a tag beside a digest says nothing
    response = context.client.call(
        "GET",
        f"/distribution/{quote(str(reference))}/json",
        headers={"X-Registry-Auth": auth_header(context, reference.name)},
    )
    digest = decode(response.read().decode())["Descriptor"]["digest"]
    return str(reference.with_digest(parse_digest(digest)))
