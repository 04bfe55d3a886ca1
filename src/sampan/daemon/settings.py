"""The daemon's settings as data: flag, key in daemon.json, kind of value.

Names are dockerd's. A flag of kind LIST may be given several times; its key in the file holds an
array. What isn't in this table is refused, on the command line and in the file alike.
"""

from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    TEXT = auto()
    BOOLEAN = auto()
    INTEGER = auto()
    LIST = auto()
    MAP = auto()  # key=value on the command line, an object of texts in the file
    RUNTIMES = auto()  # name=path on the command line, {"name": {"path":, "runtimeArgs":}}
    BUILDER = auto()  # only in the file: see builder_config.py
    REGISTRIES = auto()  # only in the file: {"reg.example": {"mirrors": ["https://m.example"]}}
    POOLS = auto()  # base=10.0.0.0/8,size=24 on the command line, [{"base":, "size":}]


@dataclass(frozen=True, slots=True)
class Setting:
    """`key` is "" for what makes no sense in the file; `field` is the name in Config."""

    flag: str
    key: str
    kind: Kind
    field: str
    about: str
    short: str = ""


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "add-runtime", "runtimes", Kind.RUNTIMES, "runtimes", "Register an OCI runtime (name=path)"
    ),
    Setting("bip", "bip", Kind.TEXT, "bip", "Address and prefix of the default bridge"),
    Setting("bridge", "bridge", Kind.TEXT, "bridge", "Name of the default bridge, or none", "b"),
    Setting("config-file", "", Kind.TEXT, "config_file", "Daemon configuration file"),
    Setting("data-root", "data-root", Kind.TEXT, "data_root", "Root of persistent state"),
    Setting("debug", "debug", Kind.BOOLEAN, "debug", "Enable debug mode", "D"),
    Setting(
        "default-address-pool",
        "default-address-pools",
        Kind.POOLS,
        "default_address_pools",
        "Address pools for networks (base=10.10.0.0/16,size=24)",
    ),
    Setting(
        "default-registry",
        "default-registry",
        Kind.TEXT,
        "default_registry",
        "Registry (HOST[:PORT]) in Docker Hub's place",
    ),
    Setting(
        "default-runtime",
        "default-runtime",
        Kind.TEXT,
        "default_runtime",
        "Default OCI runtime for containers",
    ),
    Setting("dns", "dns", Kind.LIST, "dns", "DNS server to use"),
    Setting("dns-opt", "dns-opts", Kind.LIST, "dns_opts", "DNS option to use"),
    Setting("dns-search", "dns-search", Kind.LIST, "dns_search", "DNS search domain to use"),
    Setting("exec-root", "exec-root", Kind.TEXT, "exec_root", "Root of execution state"),
    Setting(
        "fixed-cidr-v6",
        "fixed-cidr-v6",
        Kind.TEXT,
        "fixed_cidr_v6",
        "IPv6 subnet of the default bridge",
    ),
    Setting("group", "group", Kind.TEXT, "group", "Group of the unix socket", "G"),
    Setting("host", "hosts", Kind.LIST, "hosts", "Daemon socket to listen on", "H"),
    Setting(
        "host-gateway-ip",
        "host-gateway-ip",
        Kind.TEXT,
        "host_gateway_ip",
        "Address that host-gateway stands for",
    ),
    Setting("icc", "icc", Kind.BOOLEAN, "icc", "Containers of the default bridge reach each other"),
    Setting(
        "insecure-registry",
        "insecure-registries",
        Kind.LIST,
        "insecure_registries",
        "Registry to speak plain HTTP or unverified TLS with",
    ),
    Setting("ip", "ip", Kind.TEXT, "ip", "Default address of published ports"),
    Setting("ip-forward", "ip-forward", Kind.BOOLEAN, "ip_forward", "Switch forwarding on"),
    Setting("ip-masq", "ip-masq", Kind.BOOLEAN, "ip_masq", "Masquerade the default bridge"),
    Setting("ipv6", "ipv6", Kind.BOOLEAN, "ipv6", "IPv6 on the default bridge"),
    Setting("label", "labels", Kind.LIST, "labels", "Label of the daemon (key=value)"),
    Setting(
        "live-restore",
        "live-restore",
        Kind.BOOLEAN,
        "live_restore",
        "Always on: containers run on while the daemon is down",
    ),
    Setting("log-driver", "log-driver", Kind.TEXT, "log_driver", "Default driver of logs"),
    Setting(
        "log-level", "log-level", Kind.TEXT, "log_level", "debug, info, warn, error or fatal", "l"
    ),
    Setting("log-opt", "log-opts", Kind.MAP, "log_opts", "Default option of the log driver"),
    Setting(
        "max-concurrent-downloads",
        "max-concurrent-downloads",
        Kind.INTEGER,
        "max_concurrent_downloads",
        "Layers downloaded at once by each pull",
    ),
    Setting("mtu", "mtu", Kind.INTEGER, "mtu", "MTU of the default bridge"),
    Setting("pidfile", "pidfile", Kind.TEXT, "pidfile", "Path of the PID file", "p"),
    Setting(
        "registry-mirror",
        "registry-mirrors",
        Kind.LIST,
        "registry_mirrors",
        "Preferred mirror of Docker Hub",
    ),
    Setting(
        "swarm-etcd-endpoint",
        "swarm-etcd-endpoints",
        Kind.LIST,
        "swarm_etcd_endpoints",
        "URL of an etcd for this node's swarm, in place of one of the daemon's own",
    ),
    Setting(
        "swarm-etcd-prefix",
        "swarm-etcd-prefix",
        Kind.TEXT,
        "swarm_etcd_prefix",
        "Where the swarm's keys are in that etcd (/sampan/v1/)",
    ),
    Setting(
        "swarm-etcd-ca",
        "swarm-etcd-ca",
        Kind.TEXT,
        "swarm_etcd_ca",
        "Trust that etcd's cert only if signed by this CA",
    ),
    Setting(
        "swarm-etcd-cert",
        "swarm-etcd-cert",
        Kind.TEXT,
        "swarm_etcd_cert",
        "Path to certificate file to show that etcd",
    ),
    Setting(
        "swarm-etcd-key",
        "swarm-etcd-key",
        Kind.TEXT,
        "swarm_etcd_key",
        "Path to key file of that certificate",
    ),
    Setting(
        "swarm-etcd-user",
        "swarm-etcd-user",
        Kind.TEXT,
        "swarm_etcd_user",
        "User of that etcd, where it asks for one",
    ),
    Setting(
        "swarm-etcd-password-file",
        "swarm-etcd-password-file",
        Kind.TEXT,
        "swarm_etcd_password_file",
        "Path to a file with that user's password",
    ),
    Setting("tls", "tls", Kind.BOOLEAN, "tls", "Use TLS on tcp sockets; implied by --tlsverify"),
    Setting("tlscacert", "tlscacert", Kind.TEXT, "tls_ca", "Trust certs signed only by this CA"),
    Setting("tlscert", "tlscert", Kind.TEXT, "tls_cert", "Path to TLS certificate file"),
    Setting("tlskey", "tlskey", Kind.TEXT, "tls_key", "Path to TLS key file"),
    Setting(
        "tlsverify",
        "tlsverify",
        Kind.BOOLEAN,
        "tls_verify",
        "Use TLS and let in only clients with a certificate",
    ),
    Setting("validate", "", Kind.BOOLEAN, "validate", "Check the configuration and exit"),
)

FILE_SETTINGS: tuple[Setting, ...] = (
    Setting("", "builder", Kind.BUILDER, "builder", "Bounds of the builder and of its cache"),
    Setting("", "registries", Kind.REGISTRIES, "registries", "Mirrors of single registries"),
)

BY_FLAG = {setting.flag: setting for setting in SETTINGS}
BY_SHORT = {setting.short: setting for setting in SETTINGS if setting.short}
BY_KEY = {setting.key: setting for setting in (*SETTINGS, *FILE_SETTINGS) if setting.key}
