import pytest

from sampan.swarm import model
from sampan.swarm.store.sealing import Sealer, Unreadable, new_data_key
from sampan.wire.swarm import SecretSpec

SECRET = model.Secret(id="i", version=7, spec=SecretSpec(Name="n", Data="aGlkZGVu"))


def test_only_the_key_opens_a_value():
    key = new_data_key()
    sealed = Sealer([key]).seal("/k", SECRET)
    assert b"aGlkZGVu" not in sealed
    found = Sealer([key]).open("/k", "secret", sealed, 9)
    assert (found.spec, found.version) == (SECRET.spec, 9)
    with pytest.raises(Unreadable):
        Sealer([new_data_key()]).open("/k", "secret", sealed, 9)


def test_a_value_is_good_for_its_own_place_only():
    sealer = Sealer([new_data_key()])
    with pytest.raises(Unreadable):
        sealer.open("/other", "secret", sealer.seal("/k", SECRET), 9)


def test_an_older_key_still_opens():
    old, new = new_data_key(), new_data_key()
    sealed = Sealer([old]).seal("/k", SECRET)
    both = Sealer([old, new])
    assert both.open("/k", "secret", sealed, 1).id == "i"
    with pytest.raises(Unreadable):
        Sealer([old]).open("/k", "secret", both.seal("/k", SECRET), 1)


@pytest.mark.parametrize("damaged", [b"", b"\x01short", b"\x02" + b"x" * 60])
def test_damage_is_found(damaged):
    with pytest.raises(Unreadable):
        Sealer([new_data_key()]).open("/k", "secret", damaged, 1)
