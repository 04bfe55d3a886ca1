import asyncio

import pytest

from sampan.errors import InvalidArgument
from sampan.swarm.etcd.client import EtcdSilent
from sampan.swarm.etcd.external import DEFAULT_PREFIX, ExternalEtcd, external_etcd


def configured(*endpoints, **settings):
    given = {"prefix": "", "ca": "", "certificate": "", "key": "", **settings}
    return external_etcd(endpoints, **given)


def test_without_endpoints_there_is_none():
    assert configured() is None


def test_the_prefix_ends_with_a_slash():
    assert configured("http://10.0.0.1:2379").prefix == DEFAULT_PREFIX
    assert configured("http://10.0.0.1:2379", prefix="/teams/a").prefix == "/teams/a/"
    assert configured("http://10.0.0.1:2379", prefix="/teams/a/").prefix == "/teams/a/"


@pytest.mark.parametrize(
    ("endpoints", "settings"),
    [
        ((), {"prefix": "/x/"}),
        ((), {"ca": "/ca.pem"}),
        (("10.0.0.1:2379",), {}),
        (("http://10.0.0.1:2379", "http://"), {}),
        (("http://10.0.0.1:2379/v3",), {}),
        (("http://10.0.0.1:2379",), {"prefix": "x/"}),
        (("http://10.0.0.1:2379",), {"prefix": "/"}),
        (("https://10.0.0.1:2379",), {"certificate": "/c.pem"}),
        (("https://10.0.0.1:2379",), {"key": "/k.pem"}),
        (("https://10.0.0.1:2379",), {"user": "sampan"}),
        (("https://10.0.0.1:2379",), {"password_file": "/p"}),
        ((), {"user": "sampan", "password_file": "/p"}),
    ],
)
def test_what_makes_no_sense_is_refused(endpoints, settings):
    with pytest.raises(InvalidArgument):
        configured(*endpoints, **settings)


async def _asked(etcd):
    client = etcd.client()
    try:
        await client.call("/v3/kv/range", {})
    finally:
        await client.close()


def test_certificates_that_are_missing_are_named(tmp_path):
    missing = str(tmp_path / "ca.pem")
    with pytest.raises(EtcdSilent, match=r"ca\.pem|No such file"):
        asyncio.run(_asked(ExternalEtcd(("https://127.0.0.1:1",), ca=missing)))


def test_a_password_that_cannot_be_read_is_named(tmp_path):
    missing = str(tmp_path / "password")
    etcd = ExternalEtcd(("http://127.0.0.1:1",), user="sampan", password_file=missing)
    with pytest.raises(EtcdSilent, match=r"its password can't be read: .*No such file"):
        asyncio.run(_asked(etcd))
