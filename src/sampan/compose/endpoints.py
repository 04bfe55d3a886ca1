"""A service's networks as the endpoints of a container, and the links that go with them.

Each endpoint carries the container's name and the service's as aliases; with links, every linked
container under its alias, its short name and its full name. The `mac_address` of the service
belongs to the network with the highest priority.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sampan.compose.attributes import NetworkAttachment
    from sampan.compose.model import Project, Service
    from sampan.compose.surroundings import Surroundings

Json = dict[str, Any]  # a request's body: the engine's API, not ours


def legacy_links(project: Project, service: Service, around: Surroundings) -> list[str]:
    """ "container:alias" for `links` and `external_links`."""
    found: list[str] = []
    for link in service.links:
        target, _, alias = link.partition(":")
        for name in around.links.get(target, ()):
            short = name.removeprefix(f"{project.name}-")
            found += [f"{name}:{alias or target}", f"{name}:{short}", f"{name}:{name}"]
    for link in service.external_links:
        target, _, alias = link.partition(":")
        found.append(f"{target}:{alias or target}")
    return found


def endpoints(project: Project, service: Service, around: Surroundings) -> Json:
    """By the real name of the network; empty for a network mode."""
    if service.network_mode:
        return {}
    links = legacy_links(project, service, around)
    found: Json = {}
    for position, key in enumerate(service.networks_by_priority()):
        attachment = service.networks[key]
        endpoint: Json = {"Aliases": _aliases(service, attachment, around)}
        if links:
            endpoint["Links"] = links
        if attachment is not None:
            endpoint.update(_settings(attachment))
        if position == 0 and service.mac_address:
            endpoint["MacAddress"] = service.mac_address
        found[project.networks[key].name] = endpoint
    return found


def _aliases(
    service: Service, attachment: NetworkAttachment | None, around: Surroundings
) -> list[str]:
    names = [around.name] if around.name else []
    if around.aliases:
        names += [service.name, *(attachment.aliases if attachment else ())]
    return list(dict.fromkeys(names))


def _settings(attachment: NetworkAttachment) -> Json:
    addresses: Json = {}
    if attachment.ipv4_address:
        addresses["IPv4Address"] = attachment.ipv4_address
    if attachment.ipv6_address:
        addresses["IPv6Address"] = attachment.ipv6_address
    if attachment.link_local_ips:
        addresses["LinkLocalIPs"] = list(attachment.link_local_ips)
    options = dict(attachment.driver_opts)
    if attachment.interface_name:
        options["com.docker.network.endpoint.ifname"] = attachment.interface_name
    return {
        "IPAMConfig": addresses or None,
        "MacAddress": attachment.mac_address,
        "DriverOpts": options or None,
        "GwPriority": attachment.gw_priority,
    }
