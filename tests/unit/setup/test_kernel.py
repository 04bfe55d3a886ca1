import gzip

from sampan.setup.findings import Status
from sampan.setup.kernel import Feature, configuration, feature_finding

VETH = Feature("veth", "veth", "interfaces", ("VETH",))
IPVLAN = Feature("ipvlan", "ipvlan", "LANs", ("IPVLAN",), required=False)
CALLS = Feature("mounts", "mount calls", "binds", ())


def test_a_trial_counts_for_more_than_the_configuration():
    found = feature_finding(VETH, {"veth": ""}, {})
    assert (found.status, found.found, found.remedy) == (Status.OK, "works", "")
    found = feature_finding(VETH, {"veth": "Operation not permitted"}, {"VETH": "y"})
    assert (found.status, found.found) == (Status.MISSING, "Operation not permitted")


def test_what_lacks_names_the_kernels_options():
    found = feature_finding(IPVLAN, {"ipvlan": "Unknown device type"}, {"VETH": "y"})
    assert found.status is Status.OPTIONAL
    assert found.remedy == "a kernel with CONFIG_IPVLAN"


def test_without_a_trial_the_configuration_answers():
    assert feature_finding(VETH, {}, {"VETH": "m"}).status is Status.OK
    assert feature_finding(VETH, {}, {"BRIDGE": "y"}).status is Status.MISSING
    assert feature_finding(IPVLAN, {}, {"BRIDGE": "y"}).status is Status.OPTIONAL


def test_without_either_it_is_unknown():
    assert feature_finding(VETH, {}, {}).status is Status.UNKNOWN
    assert feature_finding(IPVLAN, {}, {}).status is Status.OPTIONAL


def test_calls_without_an_option_go_by_the_kernels_version():
    assert feature_finding(CALLS, {}, {}).status is Status.OK
    assert feature_finding(CALLS, {"mounts": "not allowed"}, {}).status is Status.MISSING


def test_the_configuration_is_read_from_proc_or_boot(tmp_path):
    text = "CONFIG_VETH=m\n# CONFIG_IPVLAN is not set\nCONFIG_BRIDGE=y\n"
    assert configuration("9.9", tmp_path) == {}
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/config-9.9").write_text(text)
    assert configuration("9.9", tmp_path) == {"VETH": "m", "BRIDGE": "y"}
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/config.gz").write_bytes(gzip.compress(b"CONFIG_VXLAN=y\n"))
    assert configuration("9.9", tmp_path) == {"VXLAN": "y"}
