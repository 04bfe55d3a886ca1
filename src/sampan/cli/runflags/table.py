"""The flags that `run` and `create` share."""

from __future__ import annotations

from sampan.cli.flags import Flag
from sampan.cli.runflags import checks
from sampan.cli.runflags.devices import parse_gpus
from sampan.cli.runflags.mounts import parse_mount
from sampan.cli.runflags.networks import parse_network

_PROCESS = (
    Flag("attach", "a", "list", "Attach to STDIN, STDOUT or STDERR", check=checks.attach_stream),
    Flag("entrypoint", "", "string", "Overwrite the default ENTRYPOINT of the image"),
    Flag("env", "e", "list", "Set environment variables", check=checks.env),
    Flag("env-file", "", "list", "Read in a file of environment variables"),
    Flag("group-add", "", "list", "Add additional groups to join"),
    Flag("init", "", "bool", "Run an init that forwards signals and reaps processes"),
    Flag("interactive", "i", "bool", "Keep STDIN open even if not attached"),
    Flag("stop-signal", "", "string", "Signal to stop the container"),
    Flag("stop-timeout", "", "int", "Timeout (in seconds) to stop a container"),
    Flag("tty", "t", "bool", "Allocate a pseudo-TTY"),
    Flag("user", "u", "string", "Username or UID (format: <name|uid>[:<group|gid>])"),
    Flag("workdir", "w", "string", "Working directory inside the container"),
)
_CONTAINER = (
    Flag("annotation", "", "map", "Add an annotation to the container"),
    Flag("cidfile", "", "string", "Write the container ID to the file"),
    Flag("disable-content-trust", "", "bool", "Skip image verification", default=True),
    Flag("label", "l", "list", "Set meta data on a container", check=checks.label),
    Flag("label-file", "", "list", "Read in a line delimited file of labels"),
    Flag("log-driver", "", "string", "Logging driver for the container"),
    Flag("log-opt", "", "list", "Log driver options"),
    Flag("name", "", "string", "Assign a name to the container"),
    Flag("platform", "", "string", "Platform of the image, such as linux/amd64"),
    Flag(
        "pull",
        "",
        "string",
        'Pull image before creating: "always", "missing", "never"',
        default="missing",
    ),
    Flag("quiet", "q", "bool", "Suppress the pull output"),
    Flag("restart", "", "string", "Restart policy to apply when a container exits", default="no"),
    Flag("rm", "", "bool", "Remove the container and its anonymous volumes when it exits"),
    Flag("runtime", "", "string", "Runtime to use for this container"),
)
_NETWORK = (
    Flag(
        "add-host", "", "list", "Add a custom host-to-IP mapping (host:ip)", check=checks.extra_host
    ),
    Flag("dns", "", "list", "Set custom DNS servers", check=checks.dns_server),
    Flag("dns-opt", "", "list", "Old spelling of --dns-option", hidden=True),
    Flag("dns-option", "", "list", "Set DNS options"),
    Flag("dns-search", "", "list", "Set custom DNS search domains"),
    Flag("domainname", "", "string", "Container NIS domain name"),
    Flag("expose", "", "list", "Expose a port or a range of ports"),
    Flag("hostname", "h", "string", "Container host name"),
    Flag("ip", "", "string", "IPv4 address (e.g., 172.30.100.104)"),
    Flag("ip6", "", "string", "IPv6 address (e.g., 2001:db8::33)"),
    Flag("link", "", "list", "Add link to another container", check=checks.link),
    Flag("link-local-ip", "", "list", "Container IPv4/IPv6 link-local addresses"),
    Flag("mac-address", "", "string", "Container MAC address (e.g., 92:d0:c6:0a:29:33)"),
    Flag("net", "", "network", "Old spelling of --network", hidden=True, check=parse_network),
    Flag("network", "", "network", "Connect a container to a network", check=parse_network),
    Flag("network-alias", "", "list", "Add network-scoped alias for the container"),
    Flag("publish", "p", "list", "Publish a container's port(s) to the host"),
    Flag("publish-all", "P", "bool", "Publish all exposed ports to random ports"),
)
_FILES = (
    Flag("mount", "", "mount", "Attach a filesystem mount to the container", check=parse_mount),
    Flag("read-only", "", "bool", "Mount the container's root filesystem as read only"),
    Flag("storage-opt", "", "list", "Storage driver options for the container"),
    Flag("tmpfs", "", "list", "Mount a tmpfs directory"),
    Flag("volume", "v", "list", "Bind mount a volume"),
    Flag("volume-driver", "", "string", "Optional volume driver for the container"),
    Flag("volumes-from", "", "list", "Mount volumes from the specified container(s)"),
)
_SECURITY = (
    Flag("cap-add", "", "list", "Add Linux capabilities"),
    Flag("cap-drop", "", "list", "Drop Linux capabilities"),
    Flag("cgroup-parent", "", "string", "Optional parent cgroup for the container"),
    Flag("cgroupns", "", "string", "Cgroup namespace to use (host|private)"),
    Flag("device", "", "list", "Add a host device to the container"),
    Flag(
        "device-cgroup-rule",
        "",
        "list",
        "Add a rule to the cgroup allowed devices list",
        check=checks.device_rule,
    ),
    Flag(
        "gpus",
        "",
        "gpu-request",
        "GPU devices to add to the container ('all' to pass all GPUs)",
        check=parse_gpus,
    ),
    Flag("ipc", "", "string", "IPC mode to use"),
    Flag("isolation", "", "string", "Container isolation technology"),
    Flag("pid", "", "string", "PID namespace to use"),
    Flag("privileged", "", "bool", "Give extended privileges to this container"),
    Flag("security-opt", "", "list", "Security options"),
    Flag("sysctl", "", "map", "Sysctl options", check=checks.sysctl),
    Flag("userns", "", "string", "User namespace to use"),
    Flag("uts", "", "string", "UTS namespace to use"),
)
_LIMITS = (
    Flag("blkio-weight", "", "uint16", "Block IO weight, 10 to 1000, or 0 to disable"),
    Flag(
        "blkio-weight-device", "", "list", "Block IO weight of a device", check=checks.weight_device
    ),
    Flag("cpu-count", "", "int", "CPU count (Windows only)", hidden=True),
    Flag("cpu-percent", "", "int", "CPU percent (Windows only)", hidden=True),
    Flag("cpu-period", "", "int", "Limit CPU CFS (Completely Fair Scheduler) period"),
    Flag("cpu-quota", "", "int", "Limit CPU CFS (Completely Fair Scheduler) quota"),
    Flag("cpu-rt-period", "", "int", "Limit CPU real-time period in microseconds"),
    Flag("cpu-rt-runtime", "", "int", "Limit CPU real-time runtime in microseconds"),
    Flag("cpu-shares", "c", "int", "CPU shares (relative weight)"),
    Flag("cpus", "", "decimal", "Number of CPUs"),
    Flag("cpuset-cpus", "", "string", "CPUs in which to allow execution (0-3, 0,1)"),
    Flag("cpuset-mems", "", "string", "MEMs in which to allow execution (0-3, 0,1)"),
    Flag(
        "device-read-bps",
        "",
        "list",
        "Limit read rate (bytes per second) from a device",
        check=checks.byte_rate,
    ),
    Flag(
        "device-read-iops",
        "",
        "list",
        "Limit read rate (IO per second) from a device",
        check=checks.operation_rate,
    ),
    Flag(
        "device-write-bps",
        "",
        "list",
        "Limit write rate (bytes per second) to a device",
        check=checks.byte_rate,
    ),
    Flag(
        "device-write-iops",
        "",
        "list",
        "Limit write rate (IO per second) to a device",
        check=checks.operation_rate,
    ),
    Flag("io-maxbandwidth", "", "bytes", "IO bandwidth limit (Windows only)", hidden=True),
    Flag("io-maxiops", "", "uint", "IO operations limit (Windows only)", hidden=True),
    Flag("kernel-memory", "", "bytes", "Kernel memory limit (kernels no longer have one)"),
    Flag("memory", "m", "bytes", "Memory limit"),
    Flag("memory-reservation", "", "bytes", "Memory soft limit"),
    Flag("memory-swap", "", "swap", "Memory plus swap: '-1' to enable unlimited swap"),
    Flag("memory-swappiness", "", "int", "Tune memory swappiness (0 to 100)", default=-1),
    Flag("oom-kill-disable", "", "bool", "Disable OOM Killer"),
    Flag("oom-score-adj", "", "int", "Tune host's OOM preferences (-1000 to 1000)"),
    Flag("pids-limit", "", "int", "Tune container pids limit (set -1 for unlimited)"),
    Flag("shm-size", "", "bytes", "Size of /dev/shm"),
    Flag("ulimit", "", "ulimit", "Ulimit options", check=checks.ulimit),
)
_HEALTH = (
    Flag("health-cmd", "", "string", "Command to run to check health"),
    Flag("health-interval", "", "duration", "Time between running the check (ms|s|m|h)"),
    Flag(
        "health-on-failure",
        "",
        "string",
        'What to do when the container turns unhealthy: "none", "kill", "restart", "stop"',
        check=checks.health_reaction,
    ),
    Flag("health-retries", "", "int", "Consecutive failures needed to report unhealthy"),
    Flag("health-start-interval", "", "duration", "Time between checks while starting"),
    Flag("health-start-period", "", "duration", "Time to start before retries count"),
    Flag("health-timeout", "", "duration", "Maximum time to allow one check to run"),
    Flag("no-healthcheck", "", "bool", "Disable any container-specified HEALTHCHECK"),
)

SHARED = _PROCESS + _CONTAINER + _NETWORK + _FILES + _SECURITY + _LIMITS + _HEALTH
