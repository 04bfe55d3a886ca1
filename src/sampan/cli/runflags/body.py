"""The body of `POST /containers/create`, member by member as Docker's client sends it."""

from __future__ import annotations

from sampan.cli.runflags.devices import security_options, split_devices, storage_options
from sampan.cli.runflags.health import healthcheck
from sampan.cli.runflags.keyvalues import environment, labels
from sampan.cli.runflags.mounts import split_volumes, tmpfs
from sampan.cli.runflags.networks import Attachment, attachments, mac_address
from sampan.cli.runflags.ports import published
from sampan.cli.runflags.restart import restart_policy
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.flags import Flags

    Document = dict[str, object]

MAX_SWAPPINESS = 100


def _check(flags: Flags) -> None:
    swappiness = flags.number("memory-swappiness")
    if not -1 <= swappiness <= MAX_SWAPPINESS:
        raise InvalidArgument(
            f"invalid value: {swappiness}. Valid memory swappiness range is 0-100"
        )
    for name, word, allowed in (
        ("pid", "PID", ("", "host")),
        ("uts", "UTS", ("", "host")),
        ("userns", "USER", ("", "host")),
        ("cgroupns", "CGROUP", ("", "host", "private")),
    ):
        value = flags.text(name)
        of_container = name == "pid" and value.partition(":")[0] == "container" and ":" in value
        if value not in allowed and not of_container:
            raise InvalidArgument(f"--{name}: invalid {word} mode")
    if flags.text("mac-address"):
        try:
            mac_address(flags.text("mac-address").strip())
        except ValueError as error:
            raise InvalidArgument(str(error)) from error


def _log_config(flags: Flags) -> Document:
    driver, options = flags.text("log-driver"), flags.mapping("log-opt")
    if driver == "none" and options:
        raise InvalidArgument(f"invalid logging opts for driver {driver}")
    return {"Type": driver, "Config": options}


def _or_none(items: list[str]) -> list[str] | None:
    return items or None


def _attached(flags: Flags) -> tuple[bool, bool, bool]:
    """Which of stdin, stdout and stderr are attached; -i adds stdin to the default."""
    if flags.on("detach"):
        return False, False, False
    streams = flags.items("attach")
    if not streams:
        return flags.on("interactive"), True, True
    stdin = "stdin" in streams or flags.on("interactive")
    return stdin, "stdout" in streams, "stderr" in streams


def _entrypoint(flags: Flags) -> list[str] | None:
    return [flags.text("entrypoint")] if flags.given("entrypoint") else None


def _all_labels(flags: Flags) -> list[str]:
    found = flags.items("label")
    if reaction := flags.text("health-on-failure"):
        from sampan.lib.labels import HEALTH_ON_FAILURE

        found = [*found, f"{HEALTH_ON_FAILURE}={reaction}"]
    return found


def _config(flags: Flags, image: str, command: list[str], env: list[str]) -> Document:
    stdin, stdout, stderr = _attached(flags)
    exposed, _ = published(flags.items("publish"), flags.items("expose"))
    _, anonymous = split_volumes(flags.items("volume"))
    config: Document = {
        "Hostname": flags.text("hostname"),
        "Domainname": flags.text("domainname"),
        "User": flags.text("user"),
        "AttachStdin": stdin,
        "AttachStdout": stdout,
        "AttachStderr": stderr,
    }
    if exposed:
        config["ExposedPorts"] = exposed
    open_stdin = flags.on("interactive")
    config |= {
        "Tty": flags.on("tty"),
        "OpenStdin": open_stdin,
        "StdinOnce": open_stdin and stdin,
        "Env": _or_none(env),
        "Cmd": command or None,
    }
    if check := healthcheck(flags):
        config["Healthcheck"] = check
    config |= {
        "Image": image,
        "Volumes": anonymous,
        "WorkingDir": flags.text("workdir"),
        "Entrypoint": _entrypoint(flags),
    }
    config |= {
        "OnBuild": None,
        "Labels": labels(flags.items("label-file"), _all_labels(flags)),
    }
    if flags.text("stop-signal"):
        config["StopSignal"] = flags.text("stop-signal")
    if flags.given("stop-timeout"):
        config["StopTimeout"] = flags.number("stop-timeout")
    return config


def capability(name: str) -> str:
    """NET_ADMIN and cap_net_admin are CAP_NET_ADMIN; ALL stays."""
    upper = name.strip().upper()
    return upper if upper == "ALL" or upper.startswith("CAP_") else f"CAP_{upper}"


def _capabilities(names: list[str]) -> list[str] | None:
    return sorted({capability(name) for name in names}) or None


def _host_config(flags: Flags, networks: list[Attachment]) -> Document:
    _, bindings = published(flags.items("publish"), flags.items("expose"))
    binds, _ = split_volumes(flags.items("volume"))
    security, unmasked = security_options(flags.items("security-opt"))
    host: Document = {
        "Binds": _or_none(binds),
        "ContainerIDFile": flags.text("cidfile"),
        "LogConfig": _log_config(flags),
        "NetworkMode": networks[0].name,
        "PortBindings": bindings,
        "RestartPolicy": restart_policy(flags.text("restart")),
        "AutoRemove": flags.on("rm"),
        "VolumeDriver": flags.text("volume-driver"),
        "VolumesFrom": _or_none(flags.items("volumes-from")),
        "ConsoleSize": [0, 0],
        "CapAdd": _capabilities(flags.items("cap-add")),
        "CapDrop": _capabilities(flags.items("cap-drop")),
        "CgroupnsMode": flags.text("cgroupns"),
        "Dns": flags.items("dns"),
        "DnsOptions": flags.items("dns-option") + flags.items("dns-opt"),
        "DnsSearch": flags.items("dns-search"),
        "ExtraHosts": _or_none(flags.items("add-host")),
        "GroupAdd": _or_none(flags.items("group-add")),
        "IpcMode": flags.text("ipc"),
        "Cgroup": "",
        "Links": _or_none(flags.items("link")),
        "OomScoreAdj": flags.number("oom-score-adj"),
        "PidMode": flags.text("pid"),
        "Privileged": flags.on("privileged"),
        "PublishAllPorts": flags.on("publish-all"),
        "ReadonlyRootfs": flags.on("read-only"),
        "SecurityOpt": _or_none(security),
    }
    _add_optional(host, flags)
    host |= {
        "UTSMode": flags.text("uts"),
        "UsernsMode": flags.text("userns"),
        "ShmSize": flags.number("shm-size"),
    }
    if sysctls := flags.mapping("sysctl"):
        host["Sysctls"] = sysctls
    if flags.text("runtime"):
        host["Runtime"] = flags.text("runtime")
    host["Isolation"] = flags.text("isolation")
    host |= _resources(flags)
    if mounts := flags.objects("mount"):
        host["Mounts"] = mounts
    host |= {"MaskedPaths": [] if unmasked else None, "ReadonlyPaths": [] if unmasked else None}
    if flags.given("init"):
        host["Init"] = flags.on("init")
    return host


def _add_optional(host: Document, flags: Flags) -> None:
    if options := flags.items("storage-opt"):
        host["StorageOpt"] = storage_options(options)
    if specs := flags.items("tmpfs"):
        host["Tmpfs"] = tmpfs(specs)
    if annotations := flags.mapping("annotation"):
        host["Annotations"] = annotations


def _resources(flags: Flags) -> Document:
    mappings, requests = split_devices(flags.items("device"))
    device_requests = [*flags.objects("gpus"), *requests]
    resources: Document = {
        "CpuShares": flags.number("cpu-shares"),
        "Memory": flags.number("memory"),
        "NanoCpus": flags.number("cpus"),
        "CgroupParent": flags.text("cgroup-parent"),
        "BlkioWeight": flags.number("blkio-weight"),
        "BlkioWeightDevice": flags.objects("blkio-weight-device"),
        "BlkioDeviceReadBps": flags.objects("device-read-bps"),
        "BlkioDeviceWriteBps": flags.objects("device-write-bps"),
        "BlkioDeviceReadIOps": flags.objects("device-read-iops"),
        "BlkioDeviceWriteIOps": flags.objects("device-write-iops"),
        "CpuPeriod": flags.number("cpu-period"),
        "CpuQuota": flags.number("cpu-quota"),
        "CpuRealtimePeriod": flags.number("cpu-rt-period"),
        "CpuRealtimeRuntime": flags.number("cpu-rt-runtime"),
        "CpusetCpus": flags.text("cpuset-cpus"),
        "CpusetMems": flags.text("cpuset-mems"),
        "Devices": mappings,
        "DeviceCgroupRules": _or_none(flags.items("device-cgroup-rule")),
        "DeviceRequests": device_requests or None,
        "MemoryReservation": flags.number("memory-reservation"),
        "MemorySwap": flags.number("memory-swap"),
        "MemorySwappiness": flags.number("memory-swappiness"),
        "OomKillDisable": flags.on("oom-kill-disable"),
        "PidsLimit": flags.number("pids-limit"),
        "Ulimits": flags.objects("ulimit"),
        "CpuCount": flags.number("cpu-count"),
        "CpuPercent": flags.number("cpu-percent"),
        "IOMaximumIOps": flags.number("io-maxiops"),
        "IOMaximumBandwidth": flags.number("io-maxbandwidth"),
    }
    return resources


def create_body(flags: Flags, words: list[str], proxies: dict[str, str]) -> Document:
    """The document for image and command `words`; `proxies` fill unset variables.

    Raises InvalidArgument for values that don't go together.
    """
    _check(flags)
    image, *command = words
    env = environment(flags.items("env-file"), flags.items("env"))
    named = {item.partition("=")[0] for item in env}
    env += [f"{name}={value}" for name, value in sorted(proxies.items()) if name not in named]
    networks = attachments(flags)
    body = _config(flags, image, command, env)
    host = _host_config(flags, networks)
    if flags.on("rm") and flags.text("restart").partition(":")[0] not in {"", "no"}:
        raise InvalidArgument("conflicting options: cannot specify both --restart and --rm")
    body["HostConfig"] = host
    body["NetworkingConfig"] = {
        "EndpointsConfig": {
            network.name: network.endpoint() for network in networks if network.has_endpoint
        }
    }
    return body
