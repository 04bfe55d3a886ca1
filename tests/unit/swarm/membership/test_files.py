import pytest
from msgspec.structs import replace

from sampan.errors import DataLoss, Unauthenticated
from sampan.swarm import tokens
from sampan.swarm.membership.files import Keyring, NodeFiles, PendingJoin, State

STATE = State(
    listen_host="0.0.0.0",
    listen_port=2377,
    advertise="192.0.2.5:2377",
    data_path="192.0.2.5",
    join=PendingJoin(remotes=("a:1",), token="t", availability="active", key="k"),
)
KEYRING = Keyring(certificate="cert", key="key", roots="roots", data_keys=(b"\x00\xff" * 16,))


@pytest.fixture
def files(tmp_path):
    return NodeFiles(tmp_path / "data", tmp_path / "run")


def test_a_node_of_no_swarm_has_nothing(files):
    assert files.load_state() is None
    assert files.load_keyring() is None
    assert not files.is_locked


def test_what_is_saved_is_loaded(files):
    files.save_state(STATE)
    files.save_keyring(KEYRING)
    assert files.load_state() == STATE
    assert files.load_keyring() == KEYRING
    assert files.tls.key.read_text() == "key"
    assert files.tls.key.stat().st_mode & 0o777 == 0o600
    assert files.folder.stat().st_mode & 0o777 == 0o700


def test_a_locked_keyring_needs_its_key_and_shows_nothing(files):
    key = tokens.new_unlock_key()
    files.save_keyring(replace(KEYRING, key="PRIVATE", unlock_key=key))
    assert files.is_locked
    assert b"PRIVATE" not in (files.folder / "keyring").read_bytes()
    with pytest.raises(Unauthenticated, match="invalid key provided"):
        files.load_keyring(tokens.new_unlock_key())
    assert files.load_keyring(key).key == "PRIVATE"


def test_damage_is_said(files):
    files.save_state(STATE)
    (files.folder / "state.json").write_bytes(b"{")
    with pytest.raises(DataLoss, match="is damaged"):
        files.load_state()


def test_leaving_forgets_everything(files):
    files.save_state(STATE)
    files.save_keyring(KEYRING)
    files.etcd.mkdir()
    files.forget()
    assert not files.folder.exists()
    assert not files.runtime.exists()
    files.forget()
