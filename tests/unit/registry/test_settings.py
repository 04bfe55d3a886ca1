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


def test_any_registry_may_have_mirrors():
    settings = RegistrySettings(
        mirrors=("https://one.example",),
        mirrors_of={"docker.io": ("https://two.example",), "reg.example": ("http://m.example",)},
    )

    def bases(domain):
        return [endpoint.base for endpoint in endpoints(settings, domain, pull=True)]

    assert bases("docker.io")[:2] == ["https://one.example", "https://two.example"]
    assert bases("reg.example") == ["http://m.example", "https://reg.example"]
    assert bases("other.example") == ["https://other.example"]
    assert len(endpoints(settings, "reg.example", pull=False)) == 1


def test_a_default_registry_stands_in_for_docker_hub():
    settings = RegistrySettings(default="hub.example:5000")
    for pull in (True, False):
        found = endpoints(settings, "docker.io", pull=pull)
        assert [endpoint.base for endpoint in found] == ["https://hub.example:5000"]
    found = endpoints(RegistrySettings(default="localhost:5000"), "docker.io", pull=True)
    assert [endpoint.base for endpoint in found][-1] == "http://localhost:5000"


@pytest.mark.parametrize(
    "settings",
    [
        RegistrySettings(mirrors_of={"reg.example": ("ftp://m.example",)}),
        RegistrySettings(mirrors_of={"reg.example/x": ("https://m.example",)}),
        RegistrySettings(mirrors=("https://me:pw@m.example",)),
        RegistrySettings(default="https://hub.example"),
        RegistrySettings(mirrors=("mirror.example",)),
        RegistrySettings(mirrors=("https://mirror.example/path",)),
        RegistrySettings(insecure=("http://reg.example",)),
    ],
)
def test_check_refuses_malformed_addresses(settings):
    with pytest.raises(InvalidArgument):
        check(settings)
