"""The only place that joins everything: builds the engine's graph, starts and stops its parts.

Parts start in the order in which they need each other and stop in reverse; each pushes its own
stop right after its start. `Daemon` is entered once per process.
"""

import asyncio
import logging
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from sampan.daemon.adapters import ContainerImageUsers, Logins, Tallies
from sampan.daemon.claims import engine_id
from sampan.daemon.collecting import CollectionLoop
from sampan.daemon.config import Config
from sampan.daemon.instance import Instance
from sampan.daemon.storage import open_storage
from sampan.engine.containers.connect import Connections
from sampan.engine.containers.execs import Execs
from sampan.engine.containers.inspect import Inspector
from sampan.engine.containers.listing import Lister
from sampan.engine.containers.live import Background, LiveContainers
from sampan.engine.containers.networking import Networking
from sampan.engine.containers.paths import ContainerPaths
from sampan.engine.containers.registry import KIND as CONTAINERS
from sampan.engine.containers.registry import ContainerRegistry
from sampan.engine.containers.rootfs import RootFilesystems
from sampan.engine.containers.usage import ContainerUsage
from sampan.engine.events import EventLog
from sampan.engine.info import EngineFacts, SystemInfo, backing_filesystem, host_facts
from sampan.engine.networks import Networks
from sampan.engine.volumes import Volumes
from sampan.lib.log import fields
from sampan.lib.workers import Workers
from sampan.network.model import NetworkSettings
from sampan.network.service import NetworkService
from sampan.registry.client import Registries
from sampan.registry.settings import RegistrySettings
from sampan.server.app import ApiServer
from sampan.server.routers.events import EventsRouter
from sampan.server.routers.networks import NetworksRouter
from sampan.server.routers.swarm import SwarmRouter
from sampan.server.routers.system import SystemRouter
from sampan.server.routers.unbuilt import unbuilt
from sampan.server.routers.volumes import VolumesRouter
from sampan.server.routes import Route
from sampan.volumes.store import VolumeStore
