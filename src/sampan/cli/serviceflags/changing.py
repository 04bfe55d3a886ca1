"""The document of `service update`: the service's own, with what the flags add, change, remove.

Removals come first, so that the same name in -rm and -add replaces.
"""

from __future__ import annotations

import shlex

from sampan.cli.command import Exit
from sampan.cli.runflags.keyvalues import environment
from sampan.cli.serviceflags.resolving import file_references
from sampan.cli.serviceflags.shared import (
    capabilities,
    part,
    set_mode_numbers,
    set_shared,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from sampan.cli.flags import Flags
    from sampan.client.api import Client

    Document = dict[str, Any]

# flag's stem -> member of the container
_LISTS = {"group": "Groups", "device": "Devices", "host": "Hosts"}
_DNS = {"dns": "Nameservers", "dns-search": "Search", "dns-option": "Options"}


def change(client: Client, spec: Document, flags: Flags) -> None:
    """Raises Exit."""
    set_shared(spec, flags)
    task = spec["TaskTemplate"]
    container = task["ContainerSpec"]
    set_mode_numbers(spec["Mode"], flags)
    if flags.given("image"):
        container["Image"] = flags.text("image")
    if flags.given("args"):
        container["Args"] = shlex.split(flags.text("args"))
    if flags.on("force"):
        task["ForceUpdate"] = task.get("ForceUpdate", 0) + 1
    _change_maps(spec, container, flags)
    _change_container(container, flags)
    _change_files(client, container, flags)
    _change_task(client, task, flags)
    _change_ports(spec, flags)


def _change_maps(spec: Document, container: Document, flags: Flags) -> None:
    for owner, key, stem in (
        (spec, "Labels", "label"),
        (container, "Labels", "container-label"),
        (container, "Sysctls", "sysctl"),
    ):
        if flags.given(f"{stem}-add") or flags.given(f"{stem}-rm"):
            held = dict(owner.get(key) or {})
            for name in flags.items(f"{stem}-rm"):
                held.pop(name, None)
            owner[key] = held | flags.mapping(f"{stem}-add")


def _change_container(container: Document, flags: Flags) -> None:
    for stem, key in _LISTS.items():
        _change_list(container, key, flags, stem)
    if any(flags.given(f"{stem}-{act}") for stem in _DNS for act in ("add", "rm")):
        settings = part(container, "DNSConfig")
        for stem, key in _DNS.items():
            _change_list(settings, key, flags, stem)
    if flags.given("env-add") or flags.given("env-rm"):
        _keyed(
            container,
            "Env",
            lambda pair: str(pair).partition("=")[0],
            flags.items("env-rm"),
            list(environment([], flags.items("env-add"))),
        )
    if flags.given("mount-add") or flags.given("mount-rm"):
        _keyed(
            container,
            "Mounts",
            lambda mount: str(mount.get("Target")),
            flags.items("mount-rm"),
            flags.objects("mount-add"),
        )
    if flags.given("ulimit-add") or flags.given("ulimit-rm"):
        _keyed(
            container,
            "Ulimits",
            lambda limit: str(limit.get("Name")),
            flags.items("ulimit-rm"),
            flags.objects("ulimit-add"),
        )
    if flags.given("cap-add") or flags.given("cap-drop"):
        added, dropped = capabilities(flags.items("cap-add"), flags.items("cap-drop"), container)
        container["CapabilityAdd"], container["CapabilityDrop"] = added, dropped


def _change_list(owner: Document, key: str, flags: Flags, stem: str) -> None:
    if flags.given(f"{stem}-add") or flags.given(f"{stem}-rm"):
        removed = flags.items(f"{stem}-rm")
        held = [each for each in owner.get(key) or () if each not in removed]
        held += [each for each in flags.items(f"{stem}-add") if each not in held]
        owner[key] = sorted(held)


def _keyed(
    owner: Document,
    key: str,
    name_of: Callable[[Any], str],
    removed: list[str],
    added: list[Any],
) -> None:
    """A list in which each name may be once; what is added replaces in its place."""
    items = {name_of(each): each for each in owner.get(key) or ()}
    for name in removed:
        items.pop(name, None)
    items.update({name_of(each): each for each in added})
    owner[key] = list(items.values())


def _change_files(client: Client, container: Document, flags: Flags) -> None:
    for kind, key in (("secret", "Secrets"), ("config", "Configs")):
        added, removed = flags.objects(f"{kind}-add"), flags.items(f"{kind}-rm")
        if not added and not removed:
            continue
        name = f"{kind.capitalize()}Name"
        held = [each for each in container.get(key) or () if each.get(name) not in removed]
        new = file_references(client, kind, [each for each in added if isinstance(each, dict)])
        replaced = {each[name] for each in new}
        container[key] = [each for each in held if each.get(name) not in replaced] + new


def _change_task(client: Client, task: Document, flags: Flags) -> None:
    if flags.given("constraint-add") or flags.given("constraint-rm"):
        _change_list(part(task, "Placement"), "Constraints", flags, "constraint")
    if flags.given("placement-pref-add") or flags.given("placement-pref-rm"):
        placement, removed = part(task, "Placement"), flags.objects("placement-pref-rm")
        held = [each for each in placement.get("Preferences") or () if each not in removed]
        placement["Preferences"] = held + flags.objects("placement-pref-add")
    if flags.given("generic-resource-add") or flags.given("generic-resource-rm"):
        _keyed(
            part(task, "Resources", "Reservations"),
            "GenericResources",
            lambda each: str((each.get("DiscreteResourceSpec") or {}).get("Kind")),
            flags.items("generic-resource-rm"),
            flags.objects("generic-resource-add"),
        )
    if flags.given("network-add") or flags.given("network-rm"):
        _change_networks(client, task, flags)


def _change_networks(client: Client, task: Document, flags: Flags) -> None:
    """The service has ids, flags have names."""
    from sampan.client.exchange import quote

    def identify(name: str) -> str:
        return str(client.get(f"/networks/{quote(name)}")["Id"])

    removed = [identify(name) for name in flags.items("network-rm")]
    held = [each for each in task.get("Networks") or () if each.get("Target") not in removed]
    known = {each.get("Target") for each in held}
    for network in flags.objects("network-add"):
        assert isinstance(network, dict)
        target = identify(network["Target"])
        if target in known:
            raise Exit(1, f"service is already attached to network {network['Target']}")
        held.append({**network, "Target": target})
    task["Networks"] = sorted(held, key=lambda each: str(each.get("Target")))


def _change_ports(spec: Document, flags: Flags) -> None:
    removed = [_target(text) for text in flags.items("publish-rm")]
    added = [port for ports in flags.objects("publish-add") for port in ports]  # type: ignore[attr-defined]
    if not removed and not added:
        return
    endpoint = part(spec, "EndpointSpec")

    def is_removed(port: Document) -> bool:
        return any(
            port.get("TargetPort") == target and (not protocol or port.get("Protocol") == protocol)
            for target, protocol in removed
        )

    held = [port for port in endpoint.get("Ports") or () if not is_removed(port)]
    identity = ("Protocol", "PublishedPort", "PublishMode", "TargetPort")
    new = {tuple(port.get(key) for key in identity): port for port in [*held, *added]}
    endpoint["Ports"] = sorted(new.values(), key=lambda port: port.get("PublishedPort", 0))


def _target(text: str) -> tuple[int, str]:
    number, _, protocol = text.partition("/")
    if not number.isdecimal():
        raise Exit(1, f"invalid target port to remove: {text}")
    return int(number), protocol
