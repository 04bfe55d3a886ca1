"""What an update of the swarm makes of the cluster's secrets."""

from msgspec.structs import replace

from sampan.swarm.membership.changes import Rotations, changed
from sampan.swarm.membership.defaults import networks, new_cluster
from sampan.swarm.model import Cluster
from sampan.wire.swarm import LockConfig, SwarmSpec


def cluster() -> Cluster:
    return replace(new_cluster(SwarmSpec(), networks((), 0, 0)), version=7)


def test_nothing_is_made_anew_unasked() -> None:
    old = cluster()
    labelled = replace(old.spec, Labels={"a": "b"})
    assert changed(old, 7, labelled, Rotations()) == replace(old, spec=labelled)


def test_one_token_is_rotated_without_the_other() -> None:
    old = cluster()
    new = changed(old, 7, old.spec, Rotations(worker_token=True))
    assert new.worker_token_secret != old.worker_token_secret
    assert new.manager_token_secret == old.manager_token_secret
    newer = changed(new, 7, old.spec, Rotations(manager_token=True))
    assert newer.worker_token_secret == new.worker_token_secret
    assert newer.manager_token_secret != old.manager_token_secret


def test_the_unlock_key_follows_the_lock() -> None:
    old = cluster()
    locked = replace(old.spec, EncryptionConfig=LockConfig(AutoLockManagers=True))
    new = changed(old, 7, locked, Rotations())
    assert new.unlock_key.startswith("SWMKEY-1-")
    assert changed(new, 7, locked, Rotations()).unlock_key == new.unlock_key
    rotated = changed(new, 7, locked, Rotations(unlock_key=True)).unlock_key
    assert rotated not in {"", new.unlock_key}
    assert changed(new, 7, old.spec, Rotations(unlock_key=True)).unlock_key == ""


def test_another_root_is_begun() -> None:
    old = cluster()
    forced = replace(old.spec, CAConfig=replace(old.spec.CAConfig, ForceRotate=1))
    new = changed(old, 7, forced, Rotations())
    assert new.next_ca_certificate
    assert new.ca_certificate == old.ca_certificate
