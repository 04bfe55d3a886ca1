"""Wiring, part three: images, their registries, and the routes of both."""

from dataclasses import dataclass
from pathlib import Path

from sampan.daemon.config import Config
from sampan.daemon.core import Core
from sampan.engine.images.events import ImageEvents
from sampan.engine.images.inspect import ImageInspector
from sampan.engine.images.listing import ImageListing
from sampan.engine.images.prune import ImagePruner
from sampan.engine.images.pull import Puller
from sampan.engine.images.remove import ImageRemover
from sampan.engine.images.search import ImageSearch
from sampan.engine.images.tag import Tagger
from sampan.registry.client import Registries
from sampan.registry.resolver import Resolver
from sampan.registry.settings import RegistrySettings
from sampan.server.routers.images import ImagesRouter
from sampan.server.routes import Route

CERTIFICATES = Path("/etc/docker/certs.d")  # where users of registries keep them already


@dataclass(frozen=True, slots=True)
class Images:
    """What other parts need of the images; `registries` are closed by whoever made them."""

    registries: Registries
    listing: ImageListing
    puller: Puller
    tagger: Tagger
    routes: list[Route]


def registry_settings(config: Config, environment: dict[str, str]) -> RegistrySettings:
    def proxy(name: str) -> str:
        return environment.get(name, environment.get(name.lower(), ""))

    return RegistrySettings(
        insecure=config.insecure_registries,
        mirrors=config.registry_mirrors,
        certs_dir=CERTIFICATES,
        max_downloads=config.max_concurrent_downloads,
        http_proxy=proxy("HTTP_PROXY"),
        https_proxy=proxy("HTTPS_PROXY"),
        no_proxy=proxy("NO_PROXY"),
    )


def make_images(core: Core, registries: Registries) -> Images:
    storage, workers = core.storage, core.workers
    events = ImageEvents(core.events)
    listing = ImageListing(
        images=storage.images,
        snapshots=storage.snapshots,
        users=core.image_users,
        workers=workers,
    )
    remover = ImageRemover(
        images=storage.images,
        snapshots=storage.snapshots,
        users=core.image_users,
        events=events,
        garbage=core.collector,
        workers=workers,
    )
    puller = Puller(
        images=storage.images,
        content=storage.content,
        snapshots=storage.snapshots,
        unpacker=storage.unpacker,
        leases=storage.leases,
        resolver=Resolver(registries),
        events=events,
        workers=workers,
        max_downloads=core.config.max_concurrent_downloads,
    )
    tagger = Tagger(images=storage.images, events=events, workers=workers)
    router = ImagesRouter(
        listing=listing,
        inspector=ImageInspector(
            images=storage.images, snapshots=storage.snapshots, workers=workers
        ),
        tagger=tagger,
        remover=remover,
        pruner=ImagePruner(
            images=storage.images,
            remover=remover,
            users=core.image_users,
            events=events,
            workers=workers,
        ),
        search=ImageSearch(registries=registries),
    )
    return Images(registries, listing, puller, tagger, router.routes())
