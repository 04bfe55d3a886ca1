"""A node's state and keyring: what they begin with, as the founder of a swarm or about to join one,
and how /info shows them.
"""

from collections.abc import Sequence
from socket import socket

from msgspec.structs import replace

from sampan.errors import Internal, InvalidArgument
from sampan.swarm import ca, tokens
from sampan.swarm.membership import addresses, defaults
from sampan.swarm.membership.addresses import Addresses, Interface
from sampan.swarm.membership.authority import node_id_for, signed
from sampan.swarm.membership.files import Keyring, PendingJoin, State
from sampan.swarm.model import Cluster, Node
from sampan.swarm.peer.server import bound
from sampan.swarm.store.sealing import new_data_key
from sampan.swarm.store.tables import Tables
from sampan.wire.swarm_views import InitRequest, JoinRequest, Peer, SwarmStanding


def where_for(
    interfaces: Sequence[Interface], request: InitRequest | JoinRequest, remote: str = ""
) -> Addresses:
    """Blocking. With a `remote` to join at, the address that leads there is the default.

    Raises InvalidArgument.
    """
    where = addresses.resolve(
        interfaces,
        listen=request.ListenAddr,
        advertise=request.AdvertiseAddr,
        data_path=request.DataPathAddr,
        detects=not remote,
    )
    if where.advertise:
        return where
    try:
        own = addresses.local_towards(remote)
    except OSError as error:
        raise InvalidArgument(f"{remote} can't be reached: {error}") from error
    shown = addresses.joined(own, where.listen_port)
    return Addresses(where.listen_host, where.listen_port, shown, where.data_path or own)


def founder(cluster: Cluster, where: Addresses, availability: str) -> tuple[State, Keyring]:
    """Of the first manager, whose certificate is signed right here."""
    key = ca.new_key().decode()
    csr = ca.request(key.encode()).decode()
    node_id = node_id_for(csr)
    state = replace(
        _state(where),
        node_id=node_id,
        cluster_id=cluster.id,
        role="manager",
        managers={node_id: where.advertise},
        founded=True,
        store_joined=True,
        availability=availability,
    )
    keyring = Keyring(
        certificate=signed(cluster, node_id, "manager", csr, where.advertise_host),
        key=key,
        roots=cluster.ca_certificate,
        data_keys=(new_data_key(),),
        unlock_key=cluster.unlock_key,
        founding=cluster,
    )
    return state, keyring


def remotes_of(request: JoinRequest) -> tuple[str, ...]:
    """Raises InvalidArgument."""
    found = tuple(addresses.remote(text) for text in request.RemoteAddrs or ())
    if not found:
        raise InvalidArgument("at least 1 RemoteAddr is required to join")
    tokens.parse_token(request.JoinToken)
    return found


def joiner(request: JoinRequest, remotes: tuple[str, ...], where: Addresses) -> State:
    """Raises InvalidArgument."""
    pending = PendingJoin(
        remotes=remotes,
        token=request.JoinToken,
        availability=defaults.checked_availability(request.Availability),
        key=ca.new_key().decode(),
    )
    return replace(_state(where), join=pending, managers={text: text for text in remotes})


def moved(state: State, where: Addresses) -> State:
    """Of the manager that goes on alone, maybe from another address."""
    return replace(
        state,
        listen_host=where.listen_host,
        listen_port=where.listen_port,
        advertise=where.advertise,
        data_path=where.data_path,
        managers={state.node_id: where.advertise},
        store_joined=True,
    )


def shown(state: State, tables: Tables | None, local_state: str, error: str) -> SwarmStanding:
    """Without the cluster. `tables`: of a manager that works."""
    nodes = tables.all(Node) if tables else ()
    return SwarmStanding(
        NodeID=state.node_id,
        NodeAddr=addresses.split(state.advertise)[0] if state.advertise else "",
        LocalNodeState=local_state,
        ControlAvailable=tables is not None,
        Error=error,
        RemoteManagers=[
            Peer(NodeID="" if name == addr else name, Addr=addr)
            for name, addr in sorted(state.managers.items())
        ],
        Nodes=len(nodes),
        Managers=sum(node.manager is not None for node in nodes),
    )


def _state(where: Addresses) -> State:
    return State(
        listen_host=where.listen_host,
        listen_port=where.listen_port,
        advertise=where.advertise,
        data_path=where.data_path,
    )


def listener_at(where: Addresses) -> socket:
    """Raises Internal."""
    try:
        return bound(where.listen_host, where.listen_port)
    except OSError as error:
        at = addresses.joined(where.listen_host, where.listen_port)
        why = (error.strerror or str(error)).lower()
        raise Internal(f"listen tcp {at}: bind: {why}") from error
