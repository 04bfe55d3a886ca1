"""`stack deploy`: makes or brings up to date what a stack's files ask for.

Networks first, then secrets and configs, then services: what refers comes after what it refers to.
Existing networks, secrets and configs are kept (the latter two can't change but for labels).
"""

from __future__ import annotations

import base64
from pathlib import Path

from sampan.cli.command import Command, Exit
from sampan.cli.commands.services.verbs import path, post
from sampan.cli.commands.stacks.files import FILES, load_stack
from sampan.cli.flags import Flag
from sampan.client.api import filters_text
from sampan.client.errors import EngineError
from sampan.client.exchange import quote
from sampan.compose.stack_container import NAMESPACE, scoped, stack_labels
from sampan.compose.stack_spec import IMAGE, service_spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags
    from sampan.compose.model import FileObject, Network, Project

    Document = dict[str, Any]

POLICIES = ("always", "changed", "never")
GLOBAL_NETWORKS = frozenset({"host", "none", "bridge"})


def of_stack(context: Context, kind: str, name: str) -> list[Document]:
    """Objects of one kind (`services`, `networks`, ...) with the label of the stack."""
    query = [("filters", filters_text({"label": [f"{NAMESPACE}={name}"]}))]
    found: list[Document] = context.client.get(f"/{kind}", query)
    return found


def _check_name(name: str) -> None:
    if not name or name.strip("'\" ") != name:
        raise Exit(1, f"invalid stack name: {name!r}")


def run(context: Context, flags: Flags, words: list[str]) -> int:
    name = words[0]
    _check_name(name)
    policy = flags.text("resolve-image")
    if policy not in POLICIES:
        raise Exit(1, f"Invalid option {policy} for flag --resolve-image")
    project = load_stack(context, flags, name)
    if not (context.client.get("/info").get("Swarm") or {}).get("ControlAvailable"):
        raise Exit(
            1,
            'this node is not a swarm manager. Use "docker swarm init" or "docker swarm join" '
            "to connect this node to swarm and try again",
        )
    if flags.on("prune"):
        _prune(context, project)
    _make_networks(context, project)
    for kind in ("secret", "config"):
        _make_files(context, project, kind)
    changed = _make_services(context, flags, project, policy)
    if not flags.on("detach"):
        from sampan.cli.converging import wait_until_converged

        for identifier in changed:
            wait_until_converged(context, identifier, quiet=flags.on("quiet"))
    return 0


def _prune(context: Context, project: Project) -> None:
    wanted = {scoped(project, name) for name in project.services}
    for service in of_stack(context, "services", project.name):
        if service["Spec"]["Name"] not in wanted:
            context.say(f"Removing service {service['Spec']['Name']}")
            context.client.delete(path(service["ID"]))


def _make_networks(context: Context, project: Project) -> None:
    used = {key for service in project.services.values() for key in service.networks}
    there = {network["Name"] for network in of_stack(context, "networks", project.name)}
    for key in sorted(used):
        network = project.networks[key]
        name = network.name or scoped(project, key)
        if network.external:
            _check_external(context, name)
        elif name not in there:
            context.say(f"Creating network {name}")
            context.client.post("/networks/create", body=_network_body(project, network, name))


def _check_external(context: Context, name: str) -> None:
    if name in GLOBAL_NETWORKS:
        return
    try:
        found = context.client.get(f"/networks/{quote(name)}")
    except EngineError as error:
        if error.status != 404:
            raise
        raise Exit(
            1,
            f'network "{name}" is declared as external, but could not be found. You need to '
            "create a swarm-scoped network before the stack is deployed",
        ) from error
    if found["Scope"] != "swarm":
        raise Exit(
            1,
            f'network "{name}" is declared as external, but it is not in the right scope: '
            f'"{found["Scope"]}" instead of "swarm"',
        )


def _network_body(project: Project, network: Network, name: str) -> Document:
    body: Document = {
        "Name": name,
        "Driver": network.driver or "overlay",
        "Labels": stack_labels(project, network.labels),
        "Options": dict(network.driver_opts) or None,
        "Internal": network.internal,
        "Attachable": network.attachable,
    }
    if network.ipam.driver or network.ipam.config:
        body["IPAM"] = {
            "Driver": network.ipam.driver,
            "Config": [
                {"Subnet": pool.subnet, "Gateway": pool.gateway, "IPRange": pool.ip_range}
                for pool in network.ipam.config
            ],
        }
    return body


def _make_files(context: Context, project: Project, kind: str) -> None:
    objects = project.secrets if kind == "secret" else project.configs
    for key, each in sorted(objects.items()):
        if each.external:
            continue
        name = each.name or scoped(project, key)
        body: Document = {
            "Name": name,
            "Labels": stack_labels(project, each.labels),
            "Data": base64.b64encode(_content(project, each, name)).decode(),
        }
        if each.template_driver:
            body["Templating"] = {"Name": each.template_driver}
        try:
            found = context.client.get(f"/{kind}s/{quote(name)}")
        except EngineError as error:
            if error.status != 404:
                raise
            context.say(f"Creating {kind} {name}")
            context.client.post(f"/{kind}s/create", body=body)
            continue
        version = str(found["Version"]["Index"])
        context.client.post(f"/{kind}s/{found['ID']}/update", [("version", version)], body)


def _content(project: Project, each: FileObject, name: str) -> bytes:
    if not each.file:
        return each.content.encode("utf-8", "surrogateescape")
    file = project.working_dir / each.file
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise Exit(1, f"{name}: {file}: {error.strerror}") from error


def _make_services(context: Context, flags: Flags, project: Project, policy: str) -> list[str]:
    """Ids of what was made or changed."""
    from sampan.cli.serviceflags.resolving import auth_headers, pin_image

    there = {each["Spec"]["Name"]: each for each in of_stack(context, "services", project.name)}
    identifiers: dict[tuple[str, str], str] = {}

    def identify(kind: str, name: str) -> str:
        key = (kind, name)
        if key not in identifiers:
            identifiers[key] = str(context.client.get(f"/{kind}s/{quote(name)}")["ID"])
        return identifiers[key]

    changed = []
    for service in project.services.values():
        spec = service_spec(project, service, identify)
        held = there.get(spec["Name"])
        if held is None:
            context.say(f"Creating service {spec['Name']}")
            if policy in {"always", "changed"}:
                pin_image(context, spec)
            headers = auth_headers(context, spec, send=flags.on("with-registry-auth"))
            changed.append(post(context, "/services/create", spec, headers=headers)["ID"])
        else:
            context.say(f"Updating service {spec['Name']} (id: {held['ID']})")
            _keep(held["Spec"], spec)
            same = held["Spec"]["Labels"].get(IMAGE) == service.image
            if policy == "always" or (policy == "changed" and not same):
                pin_image(context, spec)
            elif same:
                image = held["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
                spec["TaskTemplate"]["ContainerSpec"]["Image"] = image
            headers = auth_headers(context, spec, send=flags.on("with-registry-auth"))
            query = [("version", str(held["Version"]["Index"]))]
            if not headers:
                query.append(("registryAuthFrom", "spec"))
            post(context, path(held["ID"], "/update"), spec, query=query, headers=headers)
            changed.append(held["ID"])
    return changed


def _keep(held: Document, spec: Document) -> None:
    """A stack has no --force of its own: what was forced before stays as it is."""
    spec["TaskTemplate"]["ForceUpdate"] = held["TaskTemplate"].get("ForceUpdate", 0)


DEPLOY = Command(
    run,
    "[OPTIONS] STACK",
    flags=(
        FILES,
        Flag(
            "detach",
            "d",
            "bool",
            "Exit immediately instead of waiting for the services to converge",
            default=True,
            shown="true",
        ),
        Flag("prune", "", "bool", "Prune services that are no longer referenced"),
        Flag("quiet", "q", "bool", "Suppress progress output"),
        Flag(
            "resolve-image",
            "",
            "string",
            'Query the registry to resolve image digest ("always", "changed", "never")',
            default="always",
        ),
        Flag("with-registry-auth", "", "bool", "Send registry authentication details to agents"),
    ),
    least=1,
    most=1,
)
