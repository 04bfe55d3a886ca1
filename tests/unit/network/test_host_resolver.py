from sampan.network.host_resolver import read_host_resolv_conf


def test_missing_file_is_empty(tmp_path):
    assert read_host_resolv_conf(tmp_path / "nosuch") == ""


def test_text_is_handed_over_as_it_is(tmp_path):
    (tmp_path / "resolv.conf").write_text("nameserver 10.0.0.1\n")
    assert read_host_resolv_conf(tmp_path / "resolv.conf") == "nameserver 10.0.0.1\n"
