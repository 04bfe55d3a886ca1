"""Implicit things made explicit: the default network, names, dependencies that follow from others.

Works on a canonical tree, in place.
"""

import posixpath
from collections.abc import Mapping
from typing import Any

_NAMESPACES = ("network_mode", "ipc", "pid", "uts", "cgroup")
_NAMED = ("networks", "volumes", "configs", "secrets")


def normalise(tree: dict[str, Any], name: str, environment: Mapping[str, str]) -> None:
    tree["name"] = name
    services = tree.get("services")
    if isinstance(services, dict):
        for key, service in services.items():
            services[key] = service = {} if service is None else service
            _service(service, environment)
        _default_network(tree, services)
    _names(tree, name)


def _default_network(tree: dict[str, Any], services: dict[str, Any]) -> None:
    """Services that say nothing about networks meet on one; it exists only if it's used."""
    used = False
    for service in services.values():
        if "provider" in service or "network_mode" in service:
            continue
        if not service.get("networks"):
            service["networks"] = {"default": None}
        used = used or "default" in service["networks"]
    networks = tree.get("networks") or {}
    if used:
        networks.setdefault("default", None)
    if networks:
        tree["networks"] = networks


def _service(service: dict[str, Any], environment: Mapping[str, str]) -> None:
    if service.get("pull_policy") == "if_not_present":
        service["pull_policy"] = "missing"
    build = service.get("build")
    if isinstance(build, dict):
        if build.get("context") is None:
            build["context"] = "."
        if build.get("dockerfile") is None and build.get("dockerfile_inline") is None:
            build["dockerfile"] = "Dockerfile"
        if "args" in build:
            build["args"] = filled(build["args"], environment, keep=False)
    if "environment" in service:
        service["environment"] = filled(service["environment"], environment, keep=True)
    for mount in service.get("volumes") or ():
        if isinstance(mount, dict) and "target" in mount:
            mount["target"] = posixpath.normpath(mount["target"])
    _dependencies(service)


def _dependencies(service: dict[str, Any]) -> None:
    """Links, shared namespaces and shared volumes need the other service to be there first."""
    found: dict[str, Any] = service.get("depends_on") or {}

    def need(name: str, *, restart: bool) -> None:
        found.setdefault(
            name, {"condition": "service_started", "restart": restart, "required": True}
        )

    for link in service.get("links") or ():
        parts = link.split(":")
        need(parts[0] if len(parts) == 2 else link, restart=True)
    for key in _NAMESPACES:
        value = service.get(key)
        if isinstance(value, str) and value.startswith("service:"):
            need(value.removeprefix("service:"), restart=True)
    for source in service.get("volumes_from") or ():
        if not source.startswith("container:"):
            need(source.split(":")[0], restart=False)
    if found:
        service["depends_on"] = found


def filled(value: Any, environment: Mapping[str, str], *, keep: bool) -> Any:
    """Entries without a value get that of the surroundings; else they stay only with `keep`."""
    if isinstance(value, dict):
        return {
            key: environment.get(key) if text is None else text
            for key, text in value.items()
            if keep or text is not None or key in environment
        }
    if not isinstance(value, list):
        return value
    found = []
    for entry in value:
        if not isinstance(entry, str) or "=" in entry:
            found.append(entry)
        elif entry in environment:
            found.append(f"{entry}={environment[entry]}")
        elif keep:
            found.append(entry)
    return found


def _names(tree: dict[str, Any], project: str) -> None:
    for kind in _NAMED:
        resources = tree.get(kind)
        for key, resource in resources.items() if isinstance(resources, dict) else ():
            resource = {} if resource is None else resource
            tree[kind][key] = resource
            if resource.get("name") is None:
                external = str(resource.get("external", "")).lower() in {"true", "1", "t"}
                resource["name"] = key if external else f"{project}_{key}"
