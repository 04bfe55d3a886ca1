import pytest

from sampan.errors import InvalidArgument
from sampan.registry.settings import RegistrySettings, check, endpoints, is_insecure


@pytest.mark.parametrize(
    "host", ["127.0.0.1:5000", "127.9.9.9", "localhost", "localhost:5000", "[::1]:5000"]
)
def test_loopback_is_insecure_without_being_configured(host):
    assert is_insecure(RegistrySettings(), host)


@pytest.mark.parametrize("host", ["10.0.0.1:5000", "reg.example", "localhost.example"])
def test_other_hosts_are_secure(host):
    assert not is_insecure(RegistrySettings(), host)


@pytest.mark.parametrize("name", ["10.0.0.0/8", "10.0.0.1", "10.0.0.1:5000"])
def test_configured_hosts_and_networks_are_insecure(name):
    assert is_insecure(RegistrySettings(insecure=(name,)), "10.0.0.1:5000")


def test_a_secure_registry_is_never_offered_plain_http():
    found = endpoints(RegistrySettings(), "reg.example", pull=True)
    assert [endpoint.base for endpoint in found] == ["https://reg.example"]


def test_an_insecure_registry_is_offered_tls_first():
    found = endpoints(RegistrySettings(), "localhost:5000", pull=True)
    assert [endpoint.base for endpoint in found] == [
        "https://localhost:5000",
        "http://localhost:5000",
    ]


def test_mirrors_serve_only_pulls_of_the_hub():
    settings = RegistrySettings(mirrors=("https://mirror.example/",))
    bases = [e.base for e in endpoints(settings, "docker.io", pull=True)]
    assert bases == ["https://mirror.example", "https://registry-1.docker.io"]
    assert len(endpoints(settings, "docker.io", pull=False)) == 1
    assert len(endpoints(settings, "reg.example", pull=True)) == 1


@pytest.mark.parametrize(
    "settings",
    [
        RegistrySettings(mirrors=("mirror.example",)),
        RegistrySettings(mirrors=("https://mirror.example/path",)),
        RegistrySettings(insecure=("http://reg.example",)),
    ],
)
def test_check_refuses_malformed_addresses(settings):
    with pytest.raises(InvalidArgument):
        check(settings)
