"""Events about images. The actor is the image's id, or for pull and push the name."""

from sampan.engine.events import EventLog
from sampan.oci.digest import Digest
from sampan.oci.reference import Reference
from sampan.store.images import Image


class ImageEvents:
    """Publishes with the attributes that Docker gives: the image's labels, and `name`."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    def named(self, action: str, image: Image, name: str) -> None:
        """create, tag, untag, import, load, save."""
        labels = image.spec.config.Labels or {}
        self._log.publish("image", action, image.id, {**labels, "name": name})

    def transferred(self, action: str, reference: Reference, image: Image | None) -> None:
        """pull and push."""
        labels = (image.spec.config.Labels or {}) if image is not None else {}
        attributes = {**labels, "name": reference.familiar_name}
        self._log.publish("image", action, reference.familiar, attributes)

    def deleted(self, image: Digest) -> None:
        self._log.publish("image", "delete", image, {"name": image})

    def pruned(self, reclaimed_bytes: int) -> None:
        self._log.publish("image", "prune", "", {"reclaimed": str(reclaimed_bytes)})
