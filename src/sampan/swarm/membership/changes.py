"""What `swarm update` and the rotations of tokens, root and unlock key make of the cluster."""

from dataclasses import dataclass

from msgspec.structs import replace

from sampan.swarm import tokens
from sampan.swarm.membership import defaults, rotation
from sampan.swarm.model import Cluster
from sampan.wire.swarm import SwarmSpec


@dataclass(frozen=True, slots=True)
class Rotations:
    """Which secrets shall be made anew."""

    worker_token: bool = False
    manager_token: bool = False
    unlock_key: bool = False


def changed(cluster: Cluster, version: int, spec: SwarmSpec, rotations: Rotations) -> Cluster:
    """With another root if the spec asks for one. Raises InvalidArgument."""
    defaults.check(spec)
    new = replace(cluster, version=version, spec=spec)
    if rotation.is_wanted(cluster, spec):
        new = rotation.begin(new)
    if rotations.worker_token:
        new = replace(new, worker_token_secret=tokens.new_secret())
    if rotations.manager_token:
        new = replace(new, manager_token_secret=tokens.new_secret())
    if not spec.EncryptionConfig.AutoLockManagers:
        return replace(new, unlock_key="")
    if rotations.unlock_key or not cluster.unlock_key:
        return replace(new, unlock_key=tokens.new_unlock_key())
    return new
