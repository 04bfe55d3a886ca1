"""Which JSON objects of the API are maps on Go's side, and what absent members stand for.

Docker runs an inspect template over typed values first: nil slices print as `[]`, nil maps as
`map[]`, members left out because they are empty still exist. JSON alone can't tell a struct from
a map, so the names of the maps are listed here.
"""

from __future__ import annotations

from sampan.lib.gotemplate.values import GoStruct, NilList, NilMap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MAPS = frozenset(
    {
        "Annotations",
        "AuxiliaryAddresses",
        "Containers",
        "Data",
        "DriverOpts",
        "ExposedPorts",
        "Labels",
        "Networks",
        "Options",
        "PortBindings",
        "Ports",
        "Runtimes",
        "Status",
        "StorageOpt",
        "Sysctls",
        "Tmpfs",
        "Volumes",
    }
)
LISTS = frozenset(
    {
        "Aliases",
        "Args",
        "Binds",
        "BlkioDeviceReadBps",
        "BlkioDeviceReadIOps",
        "BlkioDeviceWriteBps",
        "BlkioDeviceWriteIOps",
        "BlkioWeightDevice",
        "CapAdd",
        "CapDrop",
        "Cmd",
        "DNSNames",
        "DeviceCgroupRules",
        "DeviceRequests",
        "Devices",
        "Dns",
        "DnsOptions",
        "DnsSearch",
        "Entrypoint",
        "Env",
        "ExecIDs",
        "ExtraHosts",
        "GroupAdd",
        "Links",
        "MaskedPaths",
        "OnBuild",
        "ReadonlyPaths",
        "RepoDigests",
        "RepoTags",
        "SecondaryIPAddresses",
        "SecondaryIPv6Addresses",
        "SecurityOpt",
        "Shell",
        "Ulimits",
        "VolumesFrom",
    }
)

# Go's spelling of a field -> the JSON name.
SPELLINGS = {
    "APIVersion": "ApiVersion",
    "DNS": "Dns",
    "DNSOptions": "DnsOptions",
    "DNSSearch": "DnsSearch",
    "ID": "Id",
    "NanoCPUs": "NanoCpus",
}

# Members with `omitempty`, by the object they belong to; "" is the inspected object itself.
ABSENT: dict[str, dict[str, object]] = {
    "": {
        "SizeRw": None,
        "SizeRootFs": None,
        "GraphDriver": GoStruct({"Data": NilMap(), "Name": ""}),
        "Variant": "",
        "OsVersion": "",
        "Comment": "",
        "Container": "",
        "ContainerConfig": None,
        "Status": NilMap(),
        "ClusterVolume": None,
        "UsageData": None,
        "Peers": NilList(),
        "Services": NilMap(),
        "EnableIPv4": False,
        "Descriptor": None,
        "Manifests": NilList(),
        "ImageManifestDescriptor": None,
    },
    "State": {"Health": None},
    "Config": {
        "ExposedPorts": NilMap(),
        "Healthcheck": None,
        "ArgsEscaped": False,
        "NetworkDisabled": False,
        "MacAddress": "",
        "StopSignal": "",
        "StopTimeout": None,
        "Shell": NilList(),
    },
    "HostConfig": {
        "Annotations": NilMap(),
        "Tmpfs": NilMap(),
        "StorageOpt": NilMap(),
        "Sysctls": NilMap(),
        "Runtime": "",
        "Init": None,
        "Mounts": NilList(),
        "KernelMemory": 0,
        "KernelMemoryTCP": 0,
    },
    "Mounts": {"Name": "", "Driver": ""},
    "IPAM": {"Options": NilMap()},
    "Labels": {},
}


# The order of Go's fields where engines are known to send another: it shows in `json`.
ORDER = {
    "Healthcheck": ("Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"),
}


def _null(key: str) -> object:
    if key in LISTS:
        return NilList()
    return NilMap() if key in MAPS else None


def typed(value: object, key: str = "", parent: str = "") -> object:
    """The decoded JSON as a template sees it; `key` is the member that holds it, in `parent`."""
    if value is None:
        return _null(key)
    if isinstance(value, list):
        return [typed(member, key, parent) for member in value]
    if not isinstance(value, dict):
        return value
    if key in MAPS or (key, parent) == ("Config", "LogConfig"):
        return {name: typed(member) for name, member in value.items()}
    names = [name for name in ORDER.get(key, ()) if name in value]
    names += [name for name in value if name not in names]
    members = {name: typed(value[name], name, key) for name in names}
    return GoStruct(members, _defaults(key, members))


def _defaults(key: str, members: Mapping[str, object]) -> dict[str, object]:
    spelled = {go: members[name] for go, name in SPELLINGS.items() if name in members}
    return {**ABSENT.get(key, {}), **spelled}
