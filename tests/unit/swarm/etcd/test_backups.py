"""Which program restores, and how it is asked; what comes of it is an integration test."""

import asyncio
from pathlib import Path

import pytest

from sampan.errors import NotFound, Unsupported
from sampan.swarm.etcd.backups import restore
from sampan.swarm.etcd.process import MemberSettings


@pytest.fixture
def member(tmp_path, monkeypatch) -> MemberSettings:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return MemberSettings(
        name="n1",
        data_dir=tmp_path / "etcd",
        client_port=1,
        peer_listen="0.0.0.0:2",
        peer_advertise="192.0.2.1:2",
    )


def install(folder: Path, name: str) -> None:
    program = folder / "bin" / name
    program.write_text(f'#!/bin/sh\necho {name} "$@" > {folder}/said\n')
    program.chmod(0o755)


def test_etcdutl_is_preferred(tmp_path, member):
    install(tmp_path, "etcdctl")
    (tmp_path / "1.snap").touch()
    asyncio.run(restore(tmp_path, member))
    assert (tmp_path / "said").read_text().startswith("etcdctl snapshot restore ")
    install(tmp_path, "etcdutl")
    assert asyncio.run(restore(tmp_path, member)) == tmp_path / "1.snap"
    said = (tmp_path / "said").read_text()
    assert said.startswith(f"etcdutl snapshot restore {tmp_path}/1.snap --name n1 ")


def test_without_either_the_package_is_named(tmp_path, member):
    (tmp_path / "1.snap").touch()
    with pytest.raises(Unsupported, match="etcdutl or etcdctl") as refused:
        asyncio.run(restore(tmp_path, member))
    assert "etcd" in refused.value.hint


def test_without_a_snapshot_there_is_nothing_to_do(tmp_path, member):
    with pytest.raises(NotFound):
        asyncio.run(restore(tmp_path, member))
