"""Wiring, part four: images, their registries, and the routes of both."""

from dataclasses import dataclass
from pathlib import Path

from sampan.daemon.config import Config
from sampan.daemon.core import Core
from sampan.engine.images.commit import ContainerCommit
from sampan.engine.images.distribution import DistributionInspector
from sampan.engine.images.events import ImageEvents
from sampan.engine.images.inspect import ImageInspector
from sampan.engine.images.listing import ImageListing
from sampan.engine.images.new_layer import LayerAdder
from sampan.engine.images.prune import ImagePruner
from sampan.engine.images.pull import Puller
from sampan.engine.images.push import Pusher
from sampan.engine.images.pushed_blobs import PushedBlobs
from sampan.engine.images.remote_archive import RemoteArchives
from sampan.engine.images.remove import ImageRemover
from sampan.engine.images.search import ImageSearch
from sampan.engine.images.tag import Tagger
from sampan.engine.images.tar import Importer, Loader, Saver
from sampan.registry.client import Registries
from sampan.registry.resolver import Resolver
from sampan.registry.settings import RegistrySettings
from sampan.server.routers.images import ImagesRouter
from sampan.server.routers.transfers import TransfersRouter
from sampan.server.routes import Route
from sampan.store.oci_load import ImageLoader
from sampan.store.oci_save import ImageSaver

CERTIFICATES = Path("/etc/docker/certs.d")  # where users of registries keep them already


@dataclass(frozen=True, slots=True)
class Images:
    """What other parts need of the images."""

    listing: ImageListing
    puller: Puller
    tagger: Tagger
    pusher: Pusher
    committer: ContainerCommit
    routes: list[Route]


def registry_settings(config: Config, environment: dict[str, str]) -> RegistrySettings:
    def proxy(name: str) -> str:
        return environment.get(name, environment.get(name.lower(), ""))

    return RegistrySettings(
        insecure=config.insecure_registries,
        mirrors=config.registry_mirrors,
        mirrors_of=config.registries,
        default=config.default_registry,
        certs_dir=CERTIFICATES,
        max_downloads=config.max_concurrent_downloads,
        http_proxy=proxy("HTTP_PROXY"),
        https_proxy=proxy("HTTPS_PROXY"),
        no_proxy=proxy("NO_PROXY"),
    )


def make_images(core: Core, registries: Registries) -> Images:
    storage, workers = core.storage, core.workers
    events = ImageEvents(core.events)
    tagger = Tagger(images=storage.images, events=events, workers=workers)
    listing = ImageListing(
        images=storage.images,
        snapshots=storage.snapshots,
        users=core.image_users,
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
    pusher = Pusher(
        images=storage.images,
        content=storage.content,
        leases=storage.leases,
        registries=registries,
        pushed=PushedBlobs(storage.documents("pushed")),
        events=events,
        workers=workers,
    )
    layers = LayerAdder(
        images=storage.images,
        content=storage.content,
        snapshots=storage.snapshots,
        leases=storage.leases,
        workers=workers,
    )
    committer = ContainerCommit(
        images=storage.images,
        snapshots=storage.snapshots,
        layers=layers,
        tagger=tagger,
        events=events,
        workers=workers,
    )
    routes = [
        *_image_router(core, registries, listing, tagger, events).routes(),
        *_transfers(
            core, puller=puller, pusher=pusher, tagger=tagger, layers=layers, events=events
        ).routes(),
    ]
    return Images(listing, puller, tagger, pusher, committer, routes)


def _image_router(
    core: Core,
    registries: Registries,
    listing: ImageListing,
    tagger: Tagger,
    events: ImageEvents,
) -> ImagesRouter:
    storage, workers = core.storage, core.workers
    remover = ImageRemover(
        images=storage.images,
        snapshots=storage.snapshots,
        users=core.image_users,
        events=events,
        garbage=core.collector,
        workers=workers,
    )
    pruner = ImagePruner(
        images=storage.images,
        remover=remover,
        users=core.image_users,
        events=events,
        workers=workers,
    )
    return ImagesRouter(
        listing=listing,
        inspector=_inspector(core),
        tagger=tagger,
        remover=remover,
        pruner=pruner,
        search=ImageSearch(registries=registries),
        distribution=DistributionInspector(resolver=Resolver(registries)),
    )


def _transfers(
    core: Core,
    *,
    puller: Puller,
    pusher: Pusher,
    tagger: Tagger,
    layers: LayerAdder,
    events: ImageEvents,
) -> TransfersRouter:
    storage, workers = core.storage, core.workers
    loader = ImageLoader(
        content=storage.content,
        snapshotter=storage.snapshots,
        images=storage.images,
        unpacker=storage.unpacker,
        leases=storage.leases,
    )
    return TransfersRouter(
        puller=puller,
        importer=Importer(
            layers=layers,
            archives=RemoteArchives(),
            tagger=tagger,
            events=events,
            workers=workers,
        ),
        pusher=pusher,
        loader=Loader(loader=loader, images=storage.images, events=events, workers=workers),
        saver=Saver(
            images=storage.images,
            saver=ImageSaver(storage.content),
            events=events,
            workers=workers,
        ),
        inspector=_inspector(core),
    )


def _inspector(core: Core) -> ImageInspector:
    storage = core.storage
    return ImageInspector(images=storage.images, snapshots=storage.snapshots, workers=core.workers)
