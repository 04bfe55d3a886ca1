"""A service for people to read: `service inspect --pretty`."""

from __future__ import annotations

from sampan.cli.human import seconds_of
from sampan.client.errors import EngineError
from sampan.client.exchange import quote
from sampan.lib.gotime import format_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.client.api import Client

    Document = dict[str, Any]

MODES = {"Replicated": "Replicated", "Global": "Global", "ReplicatedJob": "ReplicatedJob",
         "GlobalJob": "GlobalJob"}  # fmt: skip


def pretty(client: Client, service: Document) -> str:
    spec = service["Spec"]
    task = spec["TaskTemplate"]
    text = f"\nID:\t\t{service['ID']}\nName:\t\t{spec['Name']}\n"
    if labels := spec.get("Labels"):
        text += "Labels:\n" + _pairs(labels)
    return (
        text
        + _mode(spec["Mode"])
        + _update_status(service.get("UpdateStatus") or {})
        + _placement(task.get("Placement") or {})
        + _policy("UpdateConfig", spec.get("UpdateConfig"))
        + _policy("RollbackConfig", spec.get("RollbackConfig"))
        + _container(task.get("ContainerSpec") or {})
        + _resources(task.get("Resources") or {})
        + _networks(client, task.get("Networks") or ())
        + f"Endpoint Mode:\t{(spec.get('EndpointSpec') or {}).get('Mode', 'vip')}\n"
        + _ports((service.get("Endpoint") or {}).get("Ports") or ())
    )


def _pairs(pairs: Document) -> str:
    return "".join(f" {key}={value}\n" for key, value in sorted(pairs.items()))


def _mode(mode: Document) -> str:
    word = next((word for key, word in MODES.items() if mode.get(key) is not None), "")
    text = f"Service Mode:\t{word}\n"
    if (replicated := mode.get("Replicated")) is not None:
        text += f" Replicas:\t{replicated.get('Replicas', 0)}\n"
    if (job := mode.get("ReplicatedJob")) is not None:
        text += f" Max Concurrent:\t{job.get('MaxConcurrent', 0)}\n"
        text += f" Total Completions:\t{job.get('TotalCompletions', 0)}\n"
    return text


def _update_status(status: Document) -> str:
    if not status.get("State"):
        return ""
    from sampan.cli.human import age

    text = f"UpdateStatus:\n State:\t\t{status['State']}\n"
    if status.get("StartedAt"):
        text += f" Started:\t{age(seconds_of(status['StartedAt'])).lower()}\n"
    if status.get("CompletedAt"):
        text += f" Completed:\t{age(seconds_of(status['CompletedAt'])).lower()}\n"
    return text + f" Message:\t{status.get('Message', '')}\n"


def _placement(placement: Document) -> str:
    text = "Placement:\n"
    if constraints := placement.get("Constraints"):
        text += f" Constraints:\t[{' '.join(constraints)}]\n"
    if preferences := placement.get("Preferences"):
        spread = (each.get("Spread") or {} for each in preferences)
        words = (f"spread={each.get('SpreadDescriptor', '')}" for each in spread)
        text += f" Preferences:\t[{' '.join(words)}]\n"
    if placement.get("MaxReplicas"):
        text += f" Max Replicas Per Node:\t{placement['MaxReplicas']}\n"
    return text


def _policy(title: str, policy: Document | None) -> str:
    if not policy:
        return ""
    text = f"{title}:\n Parallelism:\t{policy.get('Parallelism', 0)}\n"
    if policy.get("Delay"):
        text += f" Delay:\t\t{format_duration(policy['Delay'])}\n"
    text += f" On failure:\t{policy.get('FailureAction', '')}\n"
    if policy.get("Monitor"):
        text += f" Monitoring Period: {format_duration(policy['Monitor'])}\n"
    ratio = policy.get("MaxFailureRatio", 0)
    text += f" Max failure ratio: {ratio:g}\n"
    word = "Update" if title == "UpdateConfig" else "Rollback"
    return text + f" {word} order:      {policy.get('Order', '')}\n"


def _container(container: Document) -> str:
    text = f"ContainerSpec:\n Image:\t\t{container.get('Image', '')}\n"
    if container.get("Command") or container.get("Args"):
        words = [*(container.get("Command") or ()), *(container.get("Args") or ())]
        text += f" Args:\t\t{' '.join(words)} \n"
    if env := container.get("Env"):
        text += f" Env:\t\t{' '.join(env)} \n"
    for key, label in (("Dir", "Dir"), ("User", "User")):
        if container.get(key):
            text += f" {label}:\t\t{container[key]}\n"
    if "Init" in container:
        text += f" Init:\t\t{'true' if container['Init'] else 'false'}\n"
    if mounts := container.get("Mounts"):
        text += "Mounts:\n"
        for mount in mounts:
            text += f" Target:\t{mount.get('Target', '')}\n  Source:\t{mount.get('Source', '')}\n"
            text += f"  ReadOnly:\t{'true' if mount.get('ReadOnly') else 'false'}\n"
            text += f"  Type:\t\t{mount.get('Type', '')}\n"
    for key, title in (("Configs", "Configs"), ("Secrets", "Secrets")):
        if files := container.get(key):
            text += f"{title}:\n"
            for each in files:
                target = (each.get("File") or {}).get("Name", "")
                text += f" Target:\t{target}\n  Source:\t{each.get(f'{key[:-1]}Name', '')}\n"
    return text


def _resources(resources: Document) -> str:
    from sampan.lib.units import binary_size

    text = ""
    for key in ("Reservations", "Limits"):
        part = resources.get(key) or {}
        lines = ""
        if part.get("NanoCPUs"):
            lines += f" CPU:\t\t{part['NanoCPUs'] / 1e9:g}\n"
        if part.get("MemoryBytes"):
            lines += f" Memory:\t{binary_size(part['MemoryBytes'])}\n"
        if part.get("Pids"):
            lines += f" PIDs:\t\t{part['Pids']}\n"
        if lines:
            text += f" {key}:\n{lines}"
    return f"Resources:\n{text}"


def _networks(client: Client, networks: Any) -> str:
    if not networks:
        return ""
    names = []
    for each in networks:
        try:
            names.append(client.get(f"/networks/{quote(each['Target'])}")["Name"])
        except EngineError:
            names.append(each["Target"])
    return f"Networks: {' '.join(names)} \n"


def _ports(ports: Any) -> str:
    if not ports:
        return ""
    text = "Ports:\n"
    for port in ports:
        text += (
            f" PublishedPort = {port.get('PublishedPort', 0)}\n"
            f"  Protocol = {port.get('Protocol', '')}\n"
            f"  TargetPort = {port.get('TargetPort', 0)}\n"
            f"  PublishMode = {port.get('PublishMode', '')}\n"
        )
    return text
