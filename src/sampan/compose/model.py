"""The canonical project: what the loader makes of Compose files and everything else works on.

    Project
      services            name -> Service, those whose profiles are on
      disabled_services   name -> Service, the others
      networks volumes secrets configs models    key -> record; `name` is the real name

Records are immutable (`records.replace` makes changed copies), names are Compose's keys,
and field order is the order of Docker Compose's own records: it decides what `render` prints and
what `hashes` computes. Absent is None or empty as described in `attributes`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sampan.compose.attributes import (
    BlkioConfig,
    Build,
    CredentialSpec,
    DependsOn,
    Deploy,
    Develop,
    DeviceMapping,
    DeviceRequest,
    EnvFile,
    FileReference,
    Healthcheck,
    Hook,
    Logging,
    NetworkAttachment,
    Port,
    Provider,
    Record,
    ServiceModel,
    StartHook,
    Ulimit,
    VolumeMount,
)
from sampan.compose.scalars import Bytes, Duration, Float32
from sampan.lib.records import Record as BaseRecord


class Service(Record, frozen=True, kw_only=True):
    name: str
    profiles: tuple[str, ...] = ()
    annotations: Mapping[str, str] = {}
    attach: bool | None = None
    build: Build | None = None
    develop: Develop | None = None
    blkio_config: BlkioConfig | None = None
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    cgroup_parent: str = ""
    cgroup: str = ""
    cpu_count: int = 0
    cpu_percent: Float32 = Float32(0)
    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_rt_period: int = 0
    cpu_rt_runtime: int = 0
    cpus: Float32 = Float32(0)
    cpuset: str = ""
    cpu_shares: int = 0
    command: tuple[str, ...] | None = None  # None: the image's; (): cleared
    configs: tuple[FileReference, ...] = ()
    container_name: str = ""
    credential_spec: CredentialSpec | None = None
    depends_on: Mapping[str, DependsOn] = {}
    deploy: Deploy | None = None
    device_cgroup_rules: tuple[str, ...] = ()
    devices: tuple[DeviceMapping, ...] = ()
    dns: tuple[str, ...] = ()
    dns_opt: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    domainname: str = ""
    entrypoint: tuple[str, ...] | None = None  # None: the image's; (): cleared
    provider: Provider | None = None
    environment: Mapping[str, str | None] = {}  # env_file is already merged in
    env_file: tuple[EnvFile, ...] = ()
    expose: tuple[str, ...] = ()
    external_links: tuple[str, ...] = ()
    extra_hosts: Mapping[str, tuple[str, ...]] = {}
    group_add: tuple[str, ...] = ()
    gpus: tuple[DeviceRequest, ...] = ()
    hostname: str = ""
    healthcheck: Healthcheck | None = None
    image: str = ""
    init: bool | None = None
    ipc: str = ""
    isolation: str = ""
    labels: Mapping[str, str] = {}
    label_file: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    logging: Logging | None = None
    mem_limit: Bytes = Bytes(0)
    mem_reservation: Bytes = Bytes(0)
    memswap_limit: Bytes = Bytes(0)
    mem_swappiness: Bytes = Bytes(0)
    mac_address: str = ""
    models: Mapping[str, ServiceModel | None] = {}
    network_mode: str = ""
    networks: Mapping[str, NetworkAttachment | None] = {}
    oom_kill_disable: bool = False
    oom_score_adj: int = 0
    pid: str = ""
    pids_limit: int = 0
    platform: str = ""
    ports: tuple[Port, ...] = ()
    privileged: bool = False
    pull_policy: str = ""
    pull_refresh_after: str = ""
    read_only: bool = False
    restart: str = ""
    runtime: str = ""
    scale: int | None = None
    secrets: tuple[FileReference, ...] = ()
    security_opt: tuple[str, ...] = ()
    shm_size: Bytes = Bytes(0)
    stdin_open: bool = False
    stop_grace_period: Duration | None = None
    stop_signal: str = ""
    storage_opt: Mapping[str, str] = {}
    sysctls: Mapping[str, str] = {}
    tmpfs: tuple[str, ...] = ()
    tty: bool = False
    ulimits: Mapping[str, Ulimit] = {}
    use_api_socket: bool = False
    user: str = ""
    userns_mode: str = ""
    uts: str = ""
    volumes: tuple[VolumeMount, ...] = ()
    volumes_from: tuple[str, ...] = ()
    working_dir: str = ""
    pre_start: tuple[StartHook, ...] = ()
    post_start: tuple[Hook, ...] = ()
    pre_stop: tuple[Hook, ...] = ()

    @property
    def replicas(self) -> int:
        """How many containers are wanted."""
        if self.scale is not None:
            return self.scale
        if self.deploy is not None and self.deploy.replicas is not None:
            return self.deploy.replicas
        return 1

    def networks_by_priority(self) -> list[str]:
        """Keys of the networks, highest priority first, names decide among equals."""

        def rank(key: str) -> tuple[int, str]:
            attachment = self.networks[key]
            return (-attachment.priority if attachment else 0, key)

        return sorted(self.networks, key=rank)


class IpamPool(Record, frozen=True, kw_only=True):
    subnet: str = ""
    gateway: str = ""
    ip_range: str = ""
    aux_addresses: Mapping[str, str] = {}


class Ipam(Record, frozen=True, kw_only=True):
    driver: str = ""
    config: tuple[IpamPool, ...] = ()
    options: Mapping[str, str] = {}


class Network(Record, frozen=True, kw_only=True):
    name: str = ""
    driver: str = ""
    driver_opts: Mapping[str, str] = {}
    ipam: Ipam = Ipam()
    external: bool = False
    internal: bool = False
    attachable: bool = False
    labels: Mapping[str, str] = {}
    enable_ipv4: bool | None = None
    enable_ipv6: bool | None = None


class Volume(Record, frozen=True, kw_only=True):
    name: str = ""
    driver: str = ""
    driver_opts: Mapping[str, str] = {}
    external: bool = False
    labels: Mapping[str, str] = {}


class FileObject(Record, frozen=True, kw_only=True):
    """A secret or config: its content comes from a file, a variable, inline, or is external.

    `content` of a variable is already filled in; it is never written out again.
    """

    name: str = ""
    file: str = ""
    environment: str = ""
    content: str = ""
    external: bool = False
    labels: Mapping[str, str] = {}
    driver: str = ""
    driver_opts: Mapping[str, str] = {}
    template_driver: str = ""


class Model(Record, frozen=True, kw_only=True):
    name: str = ""
    model: str = ""
    context_size: int = 0
    runtime_flags: tuple[str, ...] = ()


class Project(BaseRecord, frozen=True, kw_only=True):
    name: str
    working_dir: Path
    files: tuple[str, ...] = ()  # absolute (or `-`), in the order in which they were merged
    env_files: tuple[str, ...] = ()  # those given by option, as given; not the default `.env`
    environment: Mapping[str, str] = {}  # what interpolation saw
    services: Mapping[str, Service] = {}
    networks: Mapping[str, Network] = {}
    volumes: Mapping[str, Volume] = {}
    secrets: Mapping[str, FileObject] = {}
    configs: Mapping[str, FileObject] = {}
    models: Mapping[str, Model] = {}
    extensions: Mapping[str, Any] = {}
    profiles: tuple[str, ...] = ()  # those that are on
    disabled_services: Mapping[str, Service] = {}
    warnings: tuple[str, ...] = ()  # to print, in order

    def all_services(self) -> dict[str, Service]:
        return {**self.disabled_services, **self.services}
