import asyncio
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from sampan.swarm.etcd import process
from sampan.swarm.etcd.process import EtcdMissing, EtcdProcess, MemberSettings, TlsFiles, arguments


def settings(**changes):
    return MemberSettings(
        **{
            "name": "n",
            "data_dir": Path("/d"),
            "client_port": 1,
            "peer_listen": "0.0.0.0:2",
            "peer_advertise": "192.0.2.1:2",
            **changes,
        }
    )


def test_clients_are_served_on_loopback_alone():
    words = arguments(settings())
    assert "--listen-client-urls=http://127.0.0.1:1" in words
    assert "--initial-cluster=n=http://192.0.2.1:2" in words
    assert "--force-new-cluster" not in words


def test_with_certificates_peers_must_be_managers():
    files = TlsFiles(Path("/c"), Path("/k"), Path("/r"))
    words = arguments(settings(tls=files, joins=True), force_new_cluster=True)
    assert "--peer-cert-allowed-hostname=swarm-manager" in words
    assert {"--client-cert-auth", "--peer-client-cert-auth", "--force-new-cluster"} <= set(words)
    assert "--listen-peer-urls=https://0.0.0.0:2" in words
    assert "--initial-cluster-state=existing" in words


def test_a_machine_without_etcd_is_told_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(EtcdMissing) as refused:
        asyncio.run(EtcdProcess(settings(data_dir=tmp_path)).run())
    assert "etcd" in refused.value.hint


def test_a_process_that_ends_is_started_again_and_its_words_kept(monkeypatch, tmp_path):
    starts = tmp_path / "starts"
    program = tmp_path / "etcd"
    program.write_text(f"#!/bin/sh\necho x >> {starts}\necho broken >&2\nexit 3\n")
    program.chmod(0o755)
    find = shutil.which
    monkeypatch.setattr(
        shutil, "which", lambda name: str(program) if name == "etcd" else find(name)
    )
    monkeypatch.setattr(process, "FIRST_PAUSE_S", 0.01)

    async def main():
        found = EtcdProcess(settings(data_dir=tmp_path / "data"))
        running = asyncio.ensure_future(found.run())
        while not starts.exists() or len(starts.read_text().split()) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        assert found.pid is None
        assert process._plain('{"level":"fatal","msg":"a","error":"b"}') == "a: b"

    asyncio.run(main())
