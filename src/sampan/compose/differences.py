"""Why an existing container isn't the one that the project wants now. Pure."""

from collections.abc import Sequence

from sampan.compose.actions import Action, Kind, Subject
from sampan.compose.model import Project, Service
from sampan.compose.observe import Observed, ObservedContainer
from sampan.compose.ordering import SERVICE_MODE, references
from sampan.compose.references import hash_of, resolved
from sampan.compose.translate import image_name

VOLUME = "volume"


class Difference:
    """Compares with what is planned so far; `replaced` are services that get new containers."""

    def __init__(self, project: Project, observed: Observed, resources: Sequence[Action]) -> None:
        self._project = project
        self._observed = observed
        self._renewed = {
            (action.subject, action.key)
            for action in resources
            if action.kind in {Kind.CREATE, Kind.RECREATE}
        }
        self.replaced: set[str] = set()

    def reason(self, service: Service, container: ObservedContainer) -> str:
        """Empty when nothing has changed."""
        return (
            self._shared(service)
            or self._configuration(service, container)
            or self._image(service, container)
            or self._networks(service, container)
            or self._volumes(service, container)
        )

    def _shared(self, service: Service) -> str:
        linked = {link.partition(":")[0] for link in service.links}
        for other in references(service):
            if other in self.replaced and other not in linked:
                return f"it shares with {other}, which is replaced"
        return ""

    def _configuration(self, service: Service, container: ObservedContainer) -> str:
        uses = (service.network_mode, service.ipc, service.pid)
        if service.volumes_from or any(mode.startswith(SERVICE_MODE) for mode in uses):
            known = {
                other: [found.id for found in self._observed.of_service(other)]
                for other in references(service)
            }
            if any(not found for found in known.values()):
                return "it shares with a container that is gone"
            service = resolved(service, known)
        if hash_of(service) == container.config_hash:
            return ""
        return "its configuration changed"

    def _image(self, service: Service, container: ObservedContainer) -> str:
        wanted = self._observed.images.get(image_name(self._project, service))
        if wanted is None or wanted.id == container.image_label:
            return ""
        return "its image changed"

    def _networks(self, service: Service, container: ObservedContainer) -> str:
        if service.network_mode:
            return ""
        for key in service.networks:
            if (Subject.NETWORK, key) in self._renewed:
                return f"network {key} is new"
            network = self._observed.networks.get(self._project.networks[key].name)
            if network is None or not container.running:
                continue
            if network.id not in container.networks:
                return f"it isn't on network {key}"
        return ""

    def _volumes(self, service: Service, container: ObservedContainer) -> str:
        for volume in service.volumes:
            if volume.type != VOLUME or not volume.source:
                continue
            if (Subject.VOLUME, volume.source) in self._renewed:
                return f"volume {volume.source} is new"
            known = self._project.volumes.get(volume.source)
            if known is not None and known.name not in container.volumes:
                return f"volume {volume.source} isn't mounted"
        return ""
