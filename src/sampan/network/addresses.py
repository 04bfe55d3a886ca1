"""The address pools of all networks: which address an endpoint gets, and giving it back.

Owned by the networking thread. Gateways and auxiliary addresses are taken from the start.
"""

from ipaddress import ip_address, ip_network

from sampan.network.ipam import AddressPool
from sampan.network.model import Network


class Addresses:
    def __init__(self) -> None:
        self._pools: dict[str, list[AddressPool]] = {}

    def open(self, network: Network) -> None:
        """Start handing out addresses of `network`; a second time is a no-op."""
        if network.id in self._pools:
            return
        pools = []
        for spec in network.live_pools:
            subnet = ip_network(spec.subnet)
            ip_range = ip_network(spec.ip_range) if spec.ip_range else None
            pool = AddressPool(subnet, ip_range=ip_range)
            for text in {spec.gateway, *spec.aux.values()} - {""}:
                pool.claim(ip_address(text))
            pools.append(pool)
        self._pools[network.id] = pools

    def close(self, network_id: str) -> None:
        self._pools.pop(network_id, None)

    def take(self, network_id: str, version: int, wanted: str = "") -> str:
        """An address with its prefix length ("10.0.0.2/24"), or "" if there is no such pool.

        Raises AddressInUse or PoolExhausted.
        """
        pools = [pool for pool in self._pools[network_id] if pool.subnet.version == version]
        for pool in pools:
            if wanted and ip_address(wanted) in pool.subnet:
                address = ip_address(wanted)
                pool.claim(address)
                return f"{address}/{pool.subnet.prefixlen}"
        if wanted or not pools:
            return ""
        return f"{pools[0].allocate()}/{pools[0].subnet.prefixlen}"

    def release(self, network_id: str, *addresses: str) -> None:
        """Give back addresses (without prefix length); "" and free ones are fine."""
        for text in filter(None, addresses):
            for pool in self._pools.get(network_id, []):
                if ip_address(text) in pool.subnet:
                    pool.release(ip_address(text))
