"""Steps become images: config document, history entry and layer, as the classic builder has them.

Each step is an image whose parent is the step before (so `docker history` shows their ids, and
removing the last image removes the chain). A step that changed no file has no layer; its history
entry says `empty_layer`. `container_config` is the configuration in which the step ran, with the
step itself as its Cmd.
"""

from dataclasses import dataclass

import msgspec

from sampan.builder.results import State
from sampan.lib import gotime
from sampan.oci import image_config
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import ChainId, Digest, chain_ids
from sampan.oci.image_config import History, ImageRunConfig, ImageSpec, RootFS
from sampan.oci.platform import Platform
from sampan.store.images import ImageStore


@dataclass(frozen=True, slots=True)
class NewLayer:
    """An unpacked, committed layer and its blob."""

    diff_id: Digest
    blob: Descriptor
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """What is told of a step: `command` is the Cmd of container_config, joined in history.
    `epoch_ns` stands for the time of day (see epoch.py)."""

    command: tuple[str, ...]
    config: ImageRunConfig
    author: str
    platform: Platform
    epoch_ns: int | None = None


def next_chain(state: State, diff_id: Digest) -> ChainId:
    """The chain id of `state` with one more layer."""
    return chain_ids([*_diff_ids(state), diff_id])[-1]


def _diff_ids(state: State) -> tuple[Digest, ...]:
    return state.image.spec.rootfs.diff_ids if state.image is not None else ()


class ImageExporter:
    """Writes step images. Blocking; thread-safe."""

    def __init__(self, images: ImageStore) -> None:
        self._images = images

    def commit(self, state: State, layer: NewLayer | None, record: StepRecord) -> State:
        """The commit point of a step: its image is there, durably, on return."""
        parent = state.image
        spec = self._spec(state, layer, record)
        image = self._images.add(
            image_config.encode(spec),
            (
                *(parent.layers if parent is not None else ()),
                *((layer.blob,) if layer is not None else ()),
            ),
            size_bytes=(parent.size_bytes if parent is not None else 0)
            + (layer.size_bytes if layer is not None else 0),
            parent=parent.id if parent is not None else None,
            built_here=True,
        )
        return State(image)

    def _spec(self, state: State, layer: NewLayer | None, record: StepRecord) -> ImageSpec:
        parent = state.image.spec if state.image is not None else ImageSpec()
        created_ns = gotime.now_ns() if record.epoch_ns is None else record.epoch_ns
        created = gotime.format_ns(created_ns)
        entry = History(
            created=created,
            created_by=" ".join(record.command),
            author=record.author,
            empty_layer=layer is None,
        )
        run_config = msgspec.to_builtins(record.config)
        return ImageSpec(
            architecture=parent.architecture or record.platform.architecture,
            os=parent.os or record.platform.os,
            variant=parent.variant or record.platform.variant,
            created=created,
            author=record.author,
            config=record.config,
            container_config={**run_config, "Cmd": list(record.command)},
            rootfs=RootFS(
                diff_ids=(*_diff_ids(state), *((layer.diff_id,) if layer is not None else ()))
            ),
            history=(*parent.history, entry),
        )
