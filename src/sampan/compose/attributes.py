"""The records that a service consists of, in canonical (long-syntax, typed) form.

Field names are Compose's keys and stand in the order in which Docker Compose writes them, because
`render` and `hashes` depend on it. What wasn't given is None where zero or empty would mean
something, and empty ("", 0, False, (), {}) everywhere else; the default says which. `extensions`
holds the `x-` keys of that level.
"""

from collections.abc import Mapping
from typing import Any

from sampan.compose.scalars import Bytes, Duration, FileMode, Float32
from sampan.lib.records import Record as BaseRecord


class Record(BaseRecord, frozen=True, kw_only=True):
    """The base of all records of the model."""

    extensions: Mapping[str, Any] = {}  # foreign content: whatever YAML allows


class Ulimit(Record, frozen=True, kw_only=True):
    """`single` sets both limits and excludes the others."""

    single: int = 0
    soft: int = 0
    hard: int = 0


class FileReference(Record, frozen=True, kw_only=True):
    """A secret or config that a service gets as a file; source is its key at the top level."""

    source: str = ""
    target: str = ""
    uid: str = ""
    gid: str = ""
    mode: FileMode | None = None


class SshKey(Record, frozen=True, kw_only=True):
    id: str = ""
    path: str = ""


class Build(Record, frozen=True, kw_only=True):
    context: str = ""
    dockerfile: str = ""
    dockerfile_inline: str = ""
    entitlements: tuple[str, ...] = ()
    args: Mapping[str, str | None] = {}
    provenance: str = ""
    sbom: str = ""
    ssh: tuple[SshKey, ...] = ()
    labels: Mapping[str, str] = {}
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    no_cache: bool = False
    no_cache_filter: tuple[str, ...] = ()
    additional_contexts: Mapping[str, str] = {}
    pull: bool = False
    extra_hosts: Mapping[str, tuple[str, ...]] = {}
    isolation: str = ""
    network: str = ""
    target: str = ""
    secrets: tuple[FileReference, ...] = ()
    shm_size: Bytes = Bytes(0)
    tags: tuple[str, ...] = ()
    ulimits: Mapping[str, Ulimit] = {}
    platforms: tuple[str, ...] = ()
    privileged: bool = False


class Hook(Record, frozen=True, kw_only=True):
    """A command run in a container at a moment of its life (post_start, pre_stop, watch exec)."""

    command: tuple[str, ...] | None = None
    user: str = ""
    privileged: bool = False
    working_dir: str = ""
    environment: Mapping[str, str | None] = {}


class StartHook(Hook, frozen=True, kw_only=True):
    """A hook before the start, which runs in a container of its own (newest schema only)."""

    image: str = ""
    per_replica: bool = False


class WatchRule(Record, frozen=True, kw_only=True):
    path: str = ""
    action: str = ""
    target: str = ""
    exec: Hook = Hook()
    include: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    initial_sync: bool = False


class Develop(Record, frozen=True, kw_only=True):
    watch: tuple[WatchRule, ...] = ()


class WeightDevice(Record, frozen=True, kw_only=True):
    path: str = ""
    weight: int = 0


class ThrottleDevice(Record, frozen=True, kw_only=True):
    path: str = ""
    rate: Bytes = Bytes(0)


class BlkioConfig(Record, frozen=True, kw_only=True):
    weight: int = 0
    weight_device: tuple[WeightDevice, ...] = ()
    device_read_bps: tuple[ThrottleDevice, ...] = ()
    device_read_iops: tuple[ThrottleDevice, ...] = ()
    device_write_bps: tuple[ThrottleDevice, ...] = ()
    device_write_iops: tuple[ThrottleDevice, ...] = ()


class CredentialSpec(Record, frozen=True, kw_only=True):
    config: str = ""
    file: str = ""
    registry: str = ""


class DependsOn(Record, frozen=True, kw_only=True):
    """`condition` is service_started, service_healthy or service_completed_successfully."""

    condition: str = ""
    restart: bool = False
    required: bool = True


class DeviceRequest(Record, frozen=True, kw_only=True):
    """`count` -1 means all."""

    capabilities: tuple[str, ...] = ()
    driver: str = ""
    count: int = 0
    device_ids: tuple[str, ...] = ()
    options: Mapping[str, str] = {}


class DiscreteResource(Record, frozen=True, kw_only=True):
    kind: str = ""
    value: int = 0


class GenericResource(Record, frozen=True, kw_only=True):
    discrete_resource_spec: DiscreteResource | None = None


class Resource(Record, frozen=True, kw_only=True):
    cpus: Float32 = Float32(0)
    memory: Bytes = Bytes(0)
    pids: int = 0
    devices: tuple[DeviceRequest, ...] = ()
    generic_resources: tuple[GenericResource, ...] = ()


class Resources(Record, frozen=True, kw_only=True):
    limits: Resource | None = None
    reservations: Resource | None = None


class UpdateConfig(Record, frozen=True, kw_only=True):
    parallelism: int | None = None
    delay: Duration = Duration(0)
    failure_action: str = ""
    monitor: Duration = Duration(0)
    max_failure_ratio: Float32 = Float32(0)
    order: str = ""


class RestartPolicy(Record, frozen=True, kw_only=True):
    condition: str = ""
    delay: Duration | None = None
    max_attempts: int | None = None
    window: Duration | None = None


class PlacementPreference(Record, frozen=True, kw_only=True):
    spread: str = ""


class Placement(Record, frozen=True, kw_only=True):
    constraints: tuple[str, ...] = ()
    preferences: tuple[PlacementPreference, ...] = ()
    max_replicas_per_node: int = 0


class Deploy(Record, frozen=True, kw_only=True):
    mode: str = ""
    replicas: int | None = None
    labels: Mapping[str, str] = {}
    update_config: UpdateConfig | None = None
    rollback_config: UpdateConfig | None = None
    resources: Resources = Resources()
    restart_policy: RestartPolicy | None = None
    placement: Placement = Placement()
    endpoint_mode: str = ""


class DeviceMapping(Record, frozen=True, kw_only=True):
    source: str = ""
    target: str = ""
    permissions: str = ""


class Provider(Record, frozen=True, kw_only=True):
    type: str = ""
    options: Mapping[str, tuple[str, ...]] = {}


class EnvFile(Record, frozen=True, kw_only=True):
    path: str = ""
    required: bool = True
    format: str = ""


class Healthcheck(Record, frozen=True, kw_only=True):
    """`test` begins with CMD, CMD-SHELL or NONE; empty means the image's own."""

    test: tuple[str, ...] = ()
    timeout: Duration | None = None
    interval: Duration | None = None
    retries: int | None = None
    start_period: Duration | None = None
    start_interval: Duration | None = None
    disable: bool = False


class Logging(Record, frozen=True, kw_only=True):
    driver: str = ""
    options: Mapping[str, str] = {}


class ServiceModel(Record, frozen=True, kw_only=True):
    endpoint_var: str = ""
    model_var: str = ""


class NetworkAttachment(Record, frozen=True, kw_only=True):
    aliases: tuple[str, ...] = ()
    driver_opts: Mapping[str, str] = {}
    gw_priority: int = 0
    interface_name: str = ""
    ipv4_address: str = ""
    ipv6_address: str = ""
    link_local_ips: tuple[str, ...] = ()
    mac_address: str = ""
    priority: int = 0


class Port(Record, frozen=True, kw_only=True):
    """`published` is text: empty (any port), a port, or a range of which one is taken."""

    name: str = ""
    mode: str = ""
    host_ip: str = ""
    target: int = 0
    published: str = ""
    protocol: str = ""
    app_protocol: str = ""


class BindOptions(Record, frozen=True, kw_only=True):
    selinux: str = ""
    propagation: str = ""
    create_host_path: bool = False
    recursive: str = ""


class VolumeOptions(Record, frozen=True, kw_only=True):
    labels: Mapping[str, str] = {}
    nocopy: bool = False
    subpath: str = ""


class TmpfsOptions(Record, frozen=True, kw_only=True):
    size: Bytes = Bytes(0)
    mode: int = 0


class ImageOptions(Record, frozen=True, kw_only=True):
    subpath: str = ""


class VolumeMount(Record, frozen=True, kw_only=True):
    """`type` is volume, bind, tmpfs, image, npipe or cluster; a volume without source is anonymous.

    The source of a named volume is its key at the top level, that of a bind an absolute path.
    """

    type: str = ""
    source: str = ""
    target: str = ""
    read_only: bool = False
    consistency: str = ""
    bind: BindOptions | None = None
    volume: VolumeOptions | None = None
    tmpfs: TmpfsOptions | None = None
    image: ImageOptions | None = None
