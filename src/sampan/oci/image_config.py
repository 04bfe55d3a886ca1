"""The image config document: how to run the image, and of which layers it is made.

The sha256 of its bytes is the image id, so bytes that came from outside are kept as they are;
`encode` is for documents that we make. Fields absent or null on the way in are absent on the way
out. Docker's additions to the OCI document (comment, container_config, parent, ...) are kept.
"""

from typing import Any

import msgspec

from sampan.errors import InvalidArgument
from sampan.lib import gotime
from sampan.oci.descriptor import Platform
from sampan.oci.digest import Digest, parse_digest

Empty = dict[str, Any]  # Go's struct{} as a map value

_WORD_LISTS = ("Entrypoint", "Cmd", "Shell", "OnBuild", "Env")
_SETS = ("ExposedPorts", "Volumes")


class InvalidImageConfig(InvalidArgument):
    pass


class HealthSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Durations are nanoseconds; 0 inherits."""

    Test: list[str] | None = None
    Interval: int = 0
    Timeout: int = 0
    StartPeriod: int = 0
    StartInterval: int = 0
    Retries: int = 0


class ImageRunConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`config` of an image: the defaults of containers made from it."""

    User: str = ""
    ExposedPorts: dict[str, Empty] | None = None
    Env: list[str] | None = None
    Entrypoint: list[str] | None = None
    Cmd: list[str] | None = None
    Volumes: dict[str, Empty] | None = None
    WorkingDir: str = ""
    Labels: dict[str, str] | None = None
    StopSignal: str = ""
    Healthcheck: HealthSpec | None = None
    OnBuild: list[str] | None = None
    Shell: list[str] | None = None
    ArgsEscaped: bool = False


class RootFS(msgspec.Struct, frozen=True, kw_only=True):
    """Diff ids, base first. Both members are always written."""

    type: str = "layers"
    diff_ids: tuple[Digest, ...] = ()

    def __post_init__(self) -> None:
        for diff_id in self.diff_ids:
            parse_digest(diff_id)


class History(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One instruction; those with `empty_layer` have no diff id."""

    created: str | None = None
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


class ImageSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The whole document."""

    architecture: str = ""
    os: str = ""
    os_version: str = msgspec.field(default="", name="os.version")
    variant: str = ""
    created: str | None = None
    author: str = ""
    comment: str = ""
    config: ImageRunConfig = msgspec.field(default_factory=ImageRunConfig)
    rootfs: RootFS = msgspec.field(default_factory=RootFS)
    history: tuple[History, ...] = ()
    container: str = ""
    container_config: dict[str, Any] | None = None
    docker_version: str = ""
    parent: str = ""

    @property
    def platform(self) -> Platform:
        return Platform(os=self.os or "linux", architecture=self.architecture, variant=self.variant)

    @property
    def created_ns(self) -> int:
        """0 when absent or unreadable."""
        try:
            return gotime.parse_ns(self.created or "")
        except ValueError:
            return 0


def encode(spec: ImageSpec) -> bytes:
    """The bytes whose digest is the image id; equal specs have equal bytes."""
    return msgspec.json.encode(spec, order="deterministic")


def decode(data: bytes) -> ImageSpec:
    """Raises InvalidImageConfig."""
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidImageConfig(f"invalid image config: {error}") from error
    if not isinstance(document, dict):
        raise InvalidImageConfig("invalid image config: not a JSON object")
    try:
        return msgspec.convert(_normalised(document), ImageSpec)
    except msgspec.ValidationError as error:
        raise InvalidImageConfig(f"invalid image config: {error}") from error


def _normalised(document: dict[str, Any]) -> dict[str, Any]:
    found = _without_nulls(document)
    config = found.get("config")
    if isinstance(config, dict):
        found["config"] = _normalised_config(config)
    for key in ("history", "rootfs"):
        if isinstance(found.get(key), dict | list):
            found[key] = _deep_without_nulls(found[key])
    return found


def _normalised_config(config: dict[str, Any]) -> dict[str, Any]:
    found = _without_nulls(config)
    for key in _WORD_LISTS:
        if isinstance(found.get(key), str):  # images of Docker 1.0 times: a lone string
            found[key] = [found[key]]
    for key in _SETS:
        if isinstance(found.get(key), dict):
            found[key] = {name: value or {} for name, value in found[key].items()}
    for key in ("Labels", "Healthcheck"):
        if isinstance(found.get(key), dict):
            found[key] = _without_nulls(found[key])
    return found


def _without_nulls(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value is not None}


def _deep_without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _deep_without_nulls(item) for key, item in _without_nulls(value).items()}
    if isinstance(value, list):
        return [_deep_without_nulls(item) for item in value]
    return value
