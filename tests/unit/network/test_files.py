from sampan.network.files import hostname_file, hosts_file, reachable_nameservers, resolv_conf


def test_hosts_has_the_fixed_lines_then_extra_then_own():
    text = hosts_file(
        hostname="web",
        domainname="corp.test",
        addresses=["172.17.0.2"],
        extra_hosts=[("db.test", "10.9.8.7")],
    )
    assert text == (
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::\tip6-localnet\n"
        "ff00::\tip6-mcastprefix\n"
        "ff02::1\tip6-allnodes\n"
        "ff02::2\tip6-allrouters\n"
        "10.9.8.7\tdb.test\n"
        "172.17.0.2\tweb.corp.test web\n"
    )
    assert hostname_file("web") == "web\n"


def test_resolv_conf_takes_over_what_the_host_says():
    host = "# comment\nnameserver 10.0.0.53 # ours\nsearch a.test b.test\noptions edns0\n"
    assert resolv_conf(host) == "search a.test b.test\nnameserver 10.0.0.53\noptions edns0\n"


def test_loopback_servers_are_left_out_and_replaced_if_none_is_left():
    assert reachable_nameservers("nameserver 127.0.0.53\nnameserver 10.0.0.1\n") == ["10.0.0.1"]
    assert resolv_conf("nameserver ::1\n") == "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"


def test_what_was_asked_for_overrides_part_by_part():
    text = resolv_conf(
        "nameserver 10.0.0.53\nsearch host.test\n",
        servers=["9.8.7.6"],
        search=["corp.test"],
        options=["ndots:3"],
    )
    assert text == "search corp.test\nnameserver 9.8.7.6\noptions ndots:3\n"
    assert "search" not in resolv_conf("search host.test\n", search=["."])


def test_embedded_server_is_the_only_one():
    text = resolv_conf("nameserver 10.0.0.53\n", servers=["9.8.7.6"], embedded=True)
    assert text == "nameserver 127.0.0.11\noptions ndots:0\n"
    assert resolv_conf("options ndots:2\n", embedded=True).endswith("options ndots:2\n")
