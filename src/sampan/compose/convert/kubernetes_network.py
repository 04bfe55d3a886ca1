"""Ports and names of a service -> Services.

<name>            what the other pods ask for: ClusterIP with every port, or headless
                  (`clusterIP: None`) when the file names none: then any port is reachable
<alias>           the same once more for network aliases and container names
<name>-published  LoadBalancer or NodePort: the published ports
"""

from sampan.compose.attributes import Port
from sampan.compose.convert.kubernetes_scope import NODE_PORT, Manifest, Scope
from sampan.compose.convert.names import dns_label
from sampan.compose.convert.report import filled
from sampan.compose.convert.wants import runs_to_the_end
from sampan.compose.model import Service

NODE_PORTS = range(30000, 32768)  # what clusters allow by default
LOOPBACK = ("127.", "::1")


def host_ports(service: Service) -> dict[tuple[int, str], Port]:
    """Ports that are published on the very node."""
    return {_key(each): each for each in service.ports if each.mode == "host"}


def container_ports(service: Service) -> list[tuple[int, str]]:
    """Every port of the service with its protocol, each once."""
    found = dict.fromkeys(_key(each) for each in service.ports)
    for text in service.expose:
        numbers, _, protocol = text.partition("/")
        first, _, last = numbers.partition("-")
        if first.isdecimal():
            every = range(int(first), int(last or first) + 1)
            found |= dict.fromkeys((port, (protocol or "tcp").upper()) for port in every)
    return list(found)


def _key(port: Port) -> tuple[int, str]:
    return port.target, (port.protocol or "tcp").upper()


def port_name(port: int, protocol: str) -> str:
    return f"{protocol.lower()}-{port}"


def services(scope: Scope, service: Service) -> list[Manifest]:
    if service.network_mode == "none":
        return []
    ports = container_ports(service)
    if not ports and runs_to_the_end(scope.project, service):
        return []
    own = scope.services.of(service.name)
    if own != service.name:
        scope.report.changed(
            service.name, "name", f"other services must look for {own}: names are DNS labels"
        )
    found = [_inner(scope, service, own, ports)]
    found += [_inner(scope, service, name, ports) for name in _aliases(scope, service)]
    published = _published(scope, service)
    if published:
        found.append(_outer(scope, service, f"{own}-published", published))
    return found


def _inner(scope: Scope, service: Service, name: str, ports: list[tuple[int, str]]) -> Manifest:
    headless = not ports or bool(service.deploy and service.deploy.endpoint_mode == "dnsrr")
    entries = [
        {"name": port_name(*each), "port": each[0], "targetPort": each[0], "protocol": each[1]}
        for each in ports
    ]
    address = {"clusterIP": "None"} if headless else {"type": "ClusterIP"}
    spec = filled({**address, "selector": scope.selector(service), "ports": entries})
    return _service(scope, service, name, spec)


def _outer(scope: Scope, service: Service, name: str, ports: list[Manifest]) -> Manifest:
    spec = {"type": scope.service_type, "selector": scope.selector(service), "ports": ports}
    return _service(scope, service, name, spec)


def _service(scope: Scope, service: Service, name: str, spec: Manifest) -> Manifest:
    metadata = scope.metadata(name, service)
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _aliases(scope: Scope, service: Service) -> list[str]:
    wanted = [alias for each in service.networks.values() if each for alias in each.aliases]
    wanted += [service.container_name] if service.container_name else []
    taken = {scope.services.of(name) for name in scope.project.services}
    found = []
    for alias in dict.fromkeys(wanted):
        if alias == service.name or alias in found:
            continue
        if dns_label(alias) != alias or alias in taken or alias in scope.aliases:
            scope.report.dropped(
                service.name, f"networks.aliases.{alias}", "taken, or not a DNS label"
            )
            continue
        scope.aliases.add(alias)
        found.append(alias)
    return found


def _published(scope: Scope, service: Service) -> list[Manifest]:
    found: dict[tuple[int, str], Manifest] = {}
    for port in service.ports:
        if port.mode == "host":
            continue
        key = f"ports.{port.target}"
        if port.host_ip.startswith(LOOPBACK):
            scope.report.dropped(
                service.name,
                f"{key}.host_ip",
                "only the machine itself may come in: use kubectl port-forward",
            )
            continue
        if port.host_ip not in {"", "0.0.0.0", "::"}:
            scope.report.dropped(service.name, f"{key}.host_ip", "the cluster picks the address")
        entry = _entry(scope, service, port)
        found.setdefault((entry["port"], entry["protocol"]), entry)
    return list(found.values())


def _entry(scope: Scope, service: Service, port: Port) -> Manifest:
    target, protocol = _key(port)
    first = int(port.published.partition("-")[0] or target)
    key = f"ports.{target}.published"
    if "-" in port.published:
        scope.report.changed(service.name, key, f"the first of {port.published}")
    if not port.published:
        scope.report.changed(service.name, key, f"any port becomes {target}")
    entry: Manifest = {
        "name": port_name(first, protocol),
        "port": first,
        "targetPort": target,
        "protocol": protocol,
    }
    if "/" not in port.app_protocol and port.app_protocol:
        entry["appProtocol"] = port.app_protocol
    if scope.service_type == NODE_PORT:
        if first in NODE_PORTS:
            entry["nodePort"] = first
        else:
            scope.report.changed(service.name, key, "the cluster picks a port from 30000 up")
    return entry
