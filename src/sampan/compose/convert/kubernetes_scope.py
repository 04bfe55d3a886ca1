"""What every part of the conversion to Kubernetes shares: the source, names and the report."""

from typing import Any

from sampan.compose.convert.names import Names, dns_label
from sampan.compose.convert.report import Report, Source
from sampan.compose.model import Project, Service

Manifest = dict[str, Any]  # JSON of the API's objects
NAME, PART_OF = "app.kubernetes.io/name", "app.kubernetes.io/part-of"
LOAD_BALANCER, NODE_PORT = "LoadBalancer", "NodePort"
SERVICE_TYPES = (LOAD_BALANCER, NODE_PORT)


class Scope:
    def __init__(self, source: Source, service_type: str) -> None:
        self.source = source
        self.service_type = service_type  # of the Services that publish ports
        self.report = Report()
        self.services = Names()
        self.files = Names()  # of ConfigMaps and Secrets
        self.claims = Names()
        self.aliases: set[str] = set()  # names of Services besides those of the services

    @property
    def project(self) -> Project:
        return self.source.project

    def selector(self, service: Service) -> dict[str, str]:
        return {NAME: self.services.of(service.name), PART_OF: dns_label(self.project.name)}

    def metadata(self, name: str, service: Service | None = None) -> Manifest:
        part_of = {PART_OF: dns_label(self.project.name)}
        return {"name": name, "labels": self.selector(service) if service else part_of}
