"""Why this node can't do what was asked of it as a member of a swarm, in dockerd's words."""

from collections.abc import Mapping

from sampan.errors import Conflict, Unavailable


class AlreadyInSwarm(Unavailable):
    def __init__(self) -> None:
        super().__init__(
            'This node is already part of a swarm. Use "docker swarm leave" to leave this swarm '
            "and join another one."
        )


class NotInSwarm(Unavailable):
    def __init__(self) -> None:
        super().__init__("This node is not part of a swarm")


class NotManager(Unavailable):
    def __init__(self) -> None:
        super().__init__(
            'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" '
            "to connect this node to swarm and try again."
        )


class WorkerOnly(Unavailable):
    def __init__(self) -> None:
        super().__init__(
            "This node is not a swarm manager. Worker nodes can't be used to view or modify "
            "cluster state. Please run this command on a manager node or promote the current "
            "node to a manager."
        )


class ManagerNotReady(Unavailable):
    def __init__(self) -> None:
        super().__init__(
            "This node is not a swarm manager. Manager is being prepared or has trouble "
            "connecting to the cluster."
        )


class Locked(Unavailable):
    def __init__(self) -> None:
        super().__init__(
            "Swarm is encrypted and needs to be unlocked before it can be used. Please use "
            '"docker swarm unlock" to unlock it.'
        )


class LockedLeave(Unavailable):
    def __init__(self) -> None:
        super().__init__(
            "Swarm is encrypted and locked. Please unlock it first or use `--force` to ignore "
            "this message."
        )


class NotLocked(Conflict):
    def __init__(self) -> None:
        super().__init__("swarm is not locked")


class CertificatesExpired(Unavailable):
    def __init__(self) -> None:
        super().__init__(
            "Swarm certificates have expired. To replace them, leave the swarm and join again."
        )


class JoinGoesOn(Unavailable):
    def __init__(self) -> None:
        super().__init__(
            "Timeout was reached before node joined. The attempt to join the swarm will continue "
            'in the background. Use the "docker info" command to see the current swarm status of '
            "your node."
        )


class ManagerLeaves(Unavailable):
    def __init__(self, why: str) -> None:
        super().__init__(
            "You are attempting to leave the swarm on a node that is participating as a manager. "
            + why
        )


def leaving_manager(reachable: Mapping[str, bool]) -> ManagerLeaves:
    """`reachable`: all managers; empty when that isn't known."""
    here, all_of_them = sum(reachable.values()), len(reachable)
    if all_of_them == here == 1:
        return ManagerLeaves(
            "Removing the last manager erases all current state of the swarm. Use `--force` to "
            "ignore this message. "
        )
    if not reachable:
        why = "Doing so may lose the consensus of your cluster. "
    elif here - 2 <= all_of_them - here:
        why = (
            f"Removing this node leaves {here - 1} managers out of {all_of_them}. Without a Raft "
            "quorum your swarm will be inaccessible. "
        )
    else:
        why = ""
    return ManagerLeaves(
        why + "The only way to restore a swarm that has lost consensus is to reinitialize it with "
        "`--force-new-cluster`. Use `--force` to suppress this message."
    )
