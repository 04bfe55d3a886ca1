"""`service ls`, also for `stack services`."""

from __future__ import annotations

from sampan.cli.command import Command
from sampan.cli.flags import Flag
from sampan.cli.human import SHORT_ID
from sampan.cli.naturally import natural_order
from sampan.cli.output import Listing
from sampan.client.api import filters_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.cli.context import Context
    from sampan.cli.flags import Flags

    Service = dict[str, Any]

TYPE_NAME = "*service.serviceContext"
FIELDS = ("ID", "Name", "Mode", "Replicas", "Image", "Ports")
MODES = {
    "Replicated": "replicated",
    "Global": "global",
    "ReplicatedJob": "replicated job",
    "GlobalJob": "global job",
}


def mode_word(service: Service) -> str:
    mode = service["Spec"].get("Mode") or {}
    return next((word for key, word in MODES.items() if mode.get(key) is not None), "")


def replicas_text(service: Service) -> str:
    status = service.get("ServiceStatus") or {}
    running, desired = status.get("RunningTasks", 0), status.get("DesiredTasks", 0)
    completed = status.get("CompletedTasks", 0)
    mode = service["Spec"].get("Mode") or {}
    text = f"{running}/{desired}"
    if (job := mode.get("ReplicatedJob")) is not None:
        return f"{text} ({completed}/{job.get('TotalCompletions', 0)} completed)"
    if mode.get("GlobalJob") is not None:
        return f"{text} ({completed}/{desired + completed} completed)"
    placement = service["Spec"]["TaskTemplate"].get("Placement") or {}
    if mode.get("Replicated") is not None and placement.get("MaxReplicas"):
        return f"{text} (max {placement['MaxReplicas']} per node)"
    return text


def image_text(image: str) -> str:
    """As people write it: without digest and default names."""
    return image.partition("@")[0].removeprefix("docker.io/").removeprefix("library/")


def ports_text(service: Service) -> str:
    """Ingress ports, neighbours joined: "*:80-81->80-81/tcp"."""
    ports = (service.get("Endpoint") or {}).get("Ports") or ()
    numbers = sorted(
        (port.get("Protocol", "tcp"), port.get("PublishedPort", 0), port.get("TargetPort", 0))
        for port in ports
        if port.get("PublishMode") == "ingress"
    )
    ranges: list[list[Any]] = []
    for protocol, published, target in numbers:
        last = ranges[-1] if ranges else None
        if (
            last is not None
            and last[0] == protocol
            and (last[2] + 1, last[4] + 1) == (published, target)
        ):
            last[2], last[4] = published, target
        else:
            ranges.append([protocol, published, published, target, target])
    return ", ".join(
        f"*:{_span(first, end)}->{_span(target, target_end)}/{protocol}"
        for protocol, first, end, target, target_end in ranges
    )


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _image(service: Service) -> str:
    container = service["Spec"]["TaskTemplate"].get("ContainerSpec") or {}
    return image_text(container.get("Image", ""))


def listing() -> Listing:
    columns: dict[str, Any] = {
        "ID": ("ID", lambda service: service["ID"][:SHORT_ID]),
        "Name": ("NAME", lambda service: service["Spec"]["Name"]),
        "Mode": ("MODE", mode_word),
        "Replicas": ("REPLICAS", replicas_text),
        "Image": ("IMAGE", _image),
        "Ports": ("PORTS", ports_text),
    }
    return Listing(TYPE_NAME, columns, FIELDS)


def show_services(
    context: Context, filters: dict[str, list[str]], *, quiet: bool, format_text: str
) -> int:
    query = [("status", "true")]
    if filters:
        query.insert(0, ("filters", filters_text(filters)))
    services = context.client.get("/services", query)
    services.sort(key=lambda service: natural_order(service["Spec"]["Name"]))
    if quiet and format_text in {"", "table"}:
        context.out("".join(service["ID"][:SHORT_ID] + "\n" for service in services))
        return 0
    context.out(listing().text(services, format_text or context.config.text("servicesFormat")))
    return 0


def run(context: Context, flags: Flags, _words: list[str]) -> int:
    return show_services(
        context, flags.filters(), quiet=flags.on("quiet"), format_text=flags.text("format")
    )


LIST_FLAGS = (
    Flag("filter", "f", "filter", "Filter output based on conditions provided"),
    Flag("format", "", "string", "Format output: table, json, or a Go template"),
    Flag("quiet", "q", "bool", "Only display IDs"),
)
LS = Command(run, "[OPTIONS]", flags=LIST_FLAGS)
