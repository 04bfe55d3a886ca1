"""The daemon's configuration: one frozen record from defaults, daemon.json and flags.

A setting given in both the file and a flag is refused, as dockerd does, because neither would be
the obvious winner. Nothing here touches the machine, except that the file is read.
"""

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from sampan.daemon.builder_config import BuilderConfig, builder_config
from sampan.daemon.flags import parse_arguments, parse_pool
from sampan.daemon.settings import BY_FLAG, BY_KEY, SETTINGS, Kind
from sampan.errors import InvalidArgument
from sampan.lib.log import LEVELS
from sampan.logs import drivers as log_drivers
from sampan.registry import settings as registries
from sampan.swarm.etcd.external import ExternalEtcd, external_etcd

DEFAULT_CONFIG_FILE = Path("/etc/sampan/daemon.json")
DEFAULT_DATA_ROOT = Path("/var/lib/sampan")
DEFAULT_EXEC_ROOT = Path("/run/sampan")
DEFAULT_HOST = "unix:///run/sampan.sock"
DEFAULT_PIDFILE = Path("/run/sampan.pid")
BUILT_IN_RUNTIMES = ("crun", "runc")


@dataclass(frozen=True, slots=True)
class RuntimeChoice:
    """One configured OCI runtime."""

    path: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """Empty texts mean 'derive it' (bridge, bip, group) or 'none'. Reloaded on SIGHUP: `debug`,
    `log_level`, `labels` and what concerns registries."""

    config_file: Path = DEFAULT_CONFIG_FILE
    data_root: Path = DEFAULT_DATA_ROOT
    exec_root: Path = DEFAULT_EXEC_ROOT
    hosts: tuple[str, ...] = (DEFAULT_HOST,)
    pidfile: Path = DEFAULT_PIDFILE
    group: str = ""
    bridge: str = ""
    bip: str = ""
    default_address_pools: tuple[tuple[str, int], ...] = ()  # (base network, prefix length)
    fixed_cidr_v6: str = ""
    host_gateway_ip: str = ""
    icc: bool = True
    ip: str = "0.0.0.0"
    ip_forward: bool = True
    ip_masq: bool = True
    ipv6: bool = False
    mtu: int = 0
    debug: bool = False
    log_level: str = "info"
    default_runtime: str = ""  # crun if it is installed, else runc
    runtimes: Mapping[str, RuntimeChoice] = field(default_factory=dict)
    insecure_registries: tuple[str, ...] = ()
    registry_mirrors: tuple[str, ...] = ()
    registries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # mirrors by registry
    default_registry: str = ""  # Docker Hub
    max_concurrent_downloads: int = 3
    labels: tuple[str, ...] = ()
    live_restore: bool = True
    log_driver: str = "json-file"
    log_opts: Mapping[str, str] = field(default_factory=dict)
    dns: tuple[str, ...] = ()
    dns_opts: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    builder: BuilderConfig = field(default_factory=BuilderConfig)
    swarm_etcd_endpoints: tuple[str, ...] = ()  # a manager runs an etcd of its own
    swarm_etcd_prefix: str = ""
    swarm_etcd_ca: str = ""
    swarm_etcd_cert: str = ""
    swarm_etcd_key: str = ""
    swarm_etcd_user: str = ""
    swarm_etcd_password_file: str = ""
    tls: bool | None = None  # None: nothing was said
    tls_verify: bool | None = None
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    validate: bool = False

    @property
    def tls_on(self) -> bool:
        """Asking about verification, either way, asks for TLS."""
        return bool(self.tls) or self.tls_verify is not None

    @property
    def swarm_etcd(self) -> ExternalEtcd | None:
        """Raises InvalidArgument."""
        return external_etcd(
            self.swarm_etcd_endpoints,
            prefix=self.swarm_etcd_prefix,
            ca=self.swarm_etcd_ca,
            certificate=self.swarm_etcd_cert,
            key=self.swarm_etcd_key,
            user=self.swarm_etcd_user,
            password_file=self.swarm_etcd_password_file,
        )


class InvalidConfig(InvalidArgument):
    """The file can't be used, or contradicts the flags."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"unable to configure the Docker daemon with file {path}: {why}")


def load(arguments: list[str]) -> Config:
    """Defaults, then the file, then flags. Raises InvalidArgument naming what is wrong."""
    given = parse_arguments(arguments)
    path = Path(given.get("config_file", DEFAULT_CONFIG_FILE))
    from_file = _read(path, required="config_file" in given)
    _refuse_conflicts(path, given, from_file)
    config = _build({**_fields_of(path, from_file), **given})
    check(config)
    return config


def _read(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        text = path.read_text()
    except FileNotFoundError:
        if required:
            raise InvalidConfig(path, f"open {path}: no such file or directory") from None
        return {}
    except OSError as error:
        raise InvalidConfig(path, f"open {path}: {error.strerror}") from error
    try:
        data = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise InvalidConfig(path, str(error)) from error
    if not isinstance(data, dict):
        raise InvalidConfig(path, "not a JSON object")
    unknown = sorted(set(data) - set(BY_KEY))
    if unknown:
        listed = ", ".join(unknown)
        raise InvalidConfig(
            path, f"the following directives don't match any configuration option: {listed}"
        )
    return data


def _refuse_conflicts(path: Path, given: Mapping[str, Any], from_file: Mapping[str, Any]) -> None:
    both = [
        f"{key}: (from flag: {_shown(given[BY_KEY[key].field])}, from file: {_shown(value)})"
        for key, value in sorted(from_file.items())
        if BY_KEY[key].field in given and BY_KEY[key].kind not in {Kind.MAP, Kind.RUNTIMES}
    ]
    if both:
        raise InvalidConfig(
            path,
            "the following directives are specified both as a flag and in the configuration "
            f"file: {', '.join(both)}",
        )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{' '.join(str(item) for item in value)}]"
    return str(value)


def _fields_of(path: Path, data: Mapping[str, Any]) -> dict[str, Any]:
    return {BY_KEY[key].field: _from_json(path, key, value) for key, value in data.items()}


def _from_json(path: Path, key: str, value: Any) -> Any:
    """The file's value in Config's shape. Raises InvalidConfig for another type."""
    try:
        return _converted(BY_KEY[key].kind, value)
    except (TypeError, KeyError, ValueError):
        kind = BY_KEY[key].kind.name.lower()
        raise InvalidConfig(path, f"{key} must be of type {kind}, not {value!r}") from None


def _converted(kind: Kind, value: Any) -> Any:
    match kind:
        case Kind.TEXT:
            return _typed(value, str)
        case Kind.BOOLEAN:
            return _typed(value, bool)
        case Kind.INTEGER:
            return _typed(value, int)
        case Kind.LIST:
            return tuple(_typed(item, str) for item in _typed(value, list))
        case Kind.MAP:
            return {name: _typed(item, str) for name, item in _typed(value, dict).items()}
        case Kind.RUNTIMES:
            return {
                name: RuntimeChoice(_typed(item["path"], str), tuple(item.get("runtimeArgs") or ()))
                for name, item in _typed(value, dict).items()
            }
        case Kind.BUILDER:
            return builder_config(value)
        case Kind.REGISTRIES:
            return {name: _mirrors(item) for name, item in _typed(value, dict).items()}
        case Kind.POOLS:
            return tuple(
                (_typed(item["base"], str), _typed(item["size"], int))
                for item in _typed(value, list)
            )


def _mirrors(entry: Any) -> tuple[str, ...]:
    if _typed(entry, dict).keys() != {"mirrors"}:
        raise KeyError
    return tuple(_typed(mirror, str) for mirror in _typed(entry["mirrors"], list))


def _typed(value: Any, kind: type) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError
    return value


def _build(values: dict[str, Any]) -> Config:
    """From plain values (flags give texts for runtimes and pools) to the record."""
    known = {item.name for item in fields(Config)}
    assert known >= {setting.field for setting in SETTINGS}
    shaped = dict(values)
    for name in ("config_file", "data_root", "exec_root", "pidfile"):
        if name in shaped:
            shaped[name] = Path(shaped[name])
    if isinstance(shaped.get("runtimes"), list):
        shaped["runtimes"] = dict(_runtime(text) for text in shaped["runtimes"])
    if isinstance(shaped.get("default_address_pools"), list):
        shaped["default_address_pools"] = tuple(map(parse_pool, shaped["default_address_pools"]))
    for name, value in shaped.items():
        if isinstance(value, list):
            shaped[name] = tuple(value)
    return Config(**shaped)


def _runtime(text: str) -> tuple[str, RuntimeChoice]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise InvalidArgument(f"invalid runtime argument: {text}")
    return name, RuntimeChoice(path)


def check(config: Config) -> None:
    """What can be said without looking at the machine. Raises InvalidArgument."""
    if config.log_level not in LEVELS:
        raise InvalidArgument(f"unable to parse logging level: {config.log_level}")
    if config.max_concurrent_downloads < 1:
        raise InvalidArgument(
            f"invalid max concurrent downloads: {config.max_concurrent_downloads}"
        )
    if config.default_runtime not in {"", *BUILT_IN_RUNTIMES, *config.runtimes}:
        raise InvalidArgument(
            f"specified default runtime '{config.default_runtime}' does not exist"
        )
    try:
        log_drivers.check(config.log_driver, config.log_opts)
    except InvalidArgument as error:
        raise InvalidArgument(f"failed to set log opts: {error.message}") from error
    if not config.live_restore:
        raise InvalidArgument("live-restore can't be switched off: containers outlive the daemon")
    for label in config.labels:
        if not re.fullmatch(r"[^=]+=.*", label):
            raise InvalidArgument(f"bad attribute format: {label}")
    for host in config.hosts:
        check_host(host)
    for server in config.dns:
        _check_address(server, f"{server} is not an ip address")
    _check_networks(config)
    _ = config.swarm_etcd
    for registry in config.insecure_registries:
        if re.search(r"[\s]|://", registry):
            raise InvalidArgument(f"insecure registry {registry} is not valid")
    registries.check(
        registries.RegistrySettings(
            mirrors=config.registry_mirrors,
            mirrors_of=config.registries,
            default=config.default_registry,
        )
    )


def check_host(host: str) -> None:
    scheme, separator, rest = host.partition("://")
    if not separator or scheme not in {"unix", "tcp", "fd"} or (scheme == "unix" and not rest):
        flag = BY_FLAG["host"]
        raise InvalidArgument(
            f'invalid argument "{host}" for "-{flag.short}, --{flag.flag}" flag: '
            f"Invalid bind address format: {host}"
        )


def _check_networks(config: Config) -> None:
    if config.bip:
        if config.bridge == "none":
            raise InvalidArgument("bip can't be used without the default bridge (bridge none)")
        try:
            ipaddress.ip_interface(config.bip)
        except ValueError:
            raise InvalidArgument(f"invalid CIDR address: {config.bip}") from None
    _check_address(config.ip, f"{config.ip} is not an ip address")
    if config.host_gateway_ip:
        _check_address(config.host_gateway_ip, f"{config.host_gateway_ip} is not an ip address")
    if config.mtu < 0:
        raise InvalidArgument(f"invalid default MTU: {config.mtu}")
    if config.fixed_cidr_v6:
        try:
            ipaddress.IPv6Network(config.fixed_cidr_v6)
        except ValueError:
            raise InvalidArgument(f"invalid CIDR address: {config.fixed_cidr_v6}") from None
    for base, size in config.default_address_pools:
        try:
            network = ipaddress.ip_network(base)
        except ValueError:
            raise InvalidArgument(f"invalid base pool {base!r}") from None
        if not network.prefixlen <= size <= network.max_prefixlen:
            raise InvalidArgument(f"invalid pool size {size} for base {base}")


def _check_address(text: str, message: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise InvalidArgument(message) from None
