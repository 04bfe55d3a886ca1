"""Networks and volumes of a project as create requests, and whether existing ones will do."""

from typing import Any

from sampan.compose.hashes import network_hash, volume_hash
from sampan.compose.labels import NETWORK, VOLUME, resource_labels
from sampan.compose.model import Network, Project, Volume

Json = dict[str, Any]  # a request's body: the engine's API, not ours


def network_body(project: Project, key: str, network: Network) -> Json:
    labels = resource_labels(project.name, NETWORK, key, network_hash(network), network.labels)
    body: Json = {
        "Name": network.name,
        "Driver": network.driver,
        "Options": dict(network.driver_opts),
        "Internal": network.internal,
        "Attachable": network.attachable,
        "Labels": labels,
    }
    if network.enable_ipv4 is not None:
        body["EnableIPv4"] = network.enable_ipv4
    if network.enable_ipv6 is not None:
        body["EnableIPv6"] = network.enable_ipv6
    if network.ipam.driver or network.ipam.config or network.ipam.options:
        body["IPAM"] = {
            "Driver": network.ipam.driver,
            "Options": dict(network.ipam.options),
            "Config": [
                {
                    "Subnet": pool.subnet,
                    "IPRange": pool.ip_range,
                    "Gateway": pool.gateway,
                    "AuxiliaryAddresses": dict(pool.aux_addresses),
                }
                for pool in network.ipam.config
            ],
        }
    return body


def volume_body(project: Project, key: str, volume: Volume) -> Json:
    return {
        "Name": volume.name,
        "Driver": volume.driver,
        "DriverOpts": dict(volume.driver_opts),
        "Labels": resource_labels(project.name, VOLUME, key, volume_hash(volume), volume.labels),
    }
