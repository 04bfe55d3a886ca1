import pytest

from sampan.runtime import apparmor
from sampan.runtime.apparmor import NoAppArmor


@pytest.mark.parametrize(
    ("asked", "privileged", "supported", "profile"),
    [
        (None, False, True, "docker-default"),
        (None, True, True, "unconfined"),
        ("mine", True, True, "mine"),
        ("unconfined", False, True, "unconfined"),
        (None, False, False, ""),
        ("unconfined", False, False, ""),
    ],
)
def test_the_profile_that_counts(asked, privileged, supported, profile):
    assert apparmor.choose(asked, privileged=privileged, supported=supported) == profile


def test_a_profile_that_cannot_be_had_is_refused():
    with pytest.raises(NoAppArmor, match='not enabled on this host: profile "mine"'):
        apparmor.check("mine", supported=False)
    assert apparmor.check("mine", supported=True) == ()
    assert apparmor.check("unconfined", supported=False) == ()
    assert apparmor.check(None, supported=False) == ()
    assert len(apparmor.check("docker-default", supported=False)) == 1


def test_what_the_kernel_says(tmp_path):
    parameter, folder = tmp_path / "enabled", tmp_path / "apparmor"
    profiles = folder / "profiles"
    assert not apparmor.enabled(parameter, profiles)
    parameter.write_text("Y\n")
    assert not apparmor.enabled(parameter, profiles)  # securityfs isn't mounted
    folder.mkdir()
    assert apparmor.enabled(parameter, profiles)
    parameter.write_text("N\n")
    assert not apparmor.enabled(parameter, profiles)
    assert not apparmor.is_loaded("docker-default", profiles)
    profiles.write_text("/usr/bin/man (enforce)\ndocker-default (enforce)\na b (complain)\n")
    assert apparmor.is_loaded("docker-default", profiles)
    assert apparmor.is_loaded("a b", profiles)
    assert not apparmor.is_loaded("docker", profiles)
