import time

from sampan.cli.commands.containers.listing import ports_text
from sampan.cli.commands.images.listing import rows

CONTAINER = {
    "Id": "f" * 64,
    "Names": ["/web", "/other/alias"],
    "Image": "docker.io/library/busybox@sha256:" + "a" * 64,
    "ImageID": "sha256:" + "b" * 64,
    "Command": "sh -c 'echo a very long command'",
    "Created": 1_700_000_000,
    "Status": "Up 2 minutes",
    "State": "running",
    "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}],
    "Labels": {"b": "2", "a.x-y": "1"},
    "Mounts": [{"Type": "volume", "Name": "v" * 20, "Driver": "local"}],
    "NetworkSettings": {"Networks": {"bridge": {}}},
    "SizeRw": 1500,
    "SizeRootFs": 2_000_000,
}


def test_ps_prints_dockers_columns(sampan, engine):
    created = int(time.time()) - 125
    engine.on("GET", "/containers/json", [{**CONTAINER, "Created": created}])
    lines = sampan("ps").out.splitlines()
    assert lines[0].split("  ")[0] == "CONTAINER ID"
    assert lines[1].startswith('ffffffffffff   busybox   "sh -c \'echo a very …"   2 minutes ago ')
    assert lines[1].endswith("0.0.0.0:8080->80/tcp   web")


def test_ps_sends_filters_sizes_and_limits(sampan, engine):
    engine.on("GET", "/containers/json", [])
    sampan("ps", "-a", "-s", "-n", "3", "-f", "label=a=b", "-f", "status=running")
    assert engine.requests[0].query == {
        "all": "1",
        "size": "1",
        "limit": "3",
        "filters": '{"label":{"a=b":true},"status":{"running":true}}',
    }


def test_ps_formats(sampan, engine):
    engine.on("GET", "/containers/json", [CONTAINER])
    outcome = sampan("ps", "--format", '{{.Names}} {{.Label "b"}} {{.Labels}} {{.Mounts}}')
    assert outcome.out == "web 2 a.x-y=1,b=2 vvvvvvvvvvvvvv…\n"
    assert sampan("ps", "--format", "{{.Size}}").out == "1.5kB (virtual 2MB)\n"
    table = sampan("ps", "--format", 'table {{.Names}}\\t{{.Label "a.x-y"}}').out
    assert table == "NAMES     x y\nweb       1\n"
    assert '"Names":"web"' in sampan("ps", "--format", "json").out
    assert sampan("ps", "-q").out == "ffffffffffff\n"
    assert sampan("ps", "-q", "--no-trunc").out == "f" * 64 + "\n"


def test_ps_template_errors_are_dockers(sampan, engine):
    engine.on("GET", "/containers/json", [CONTAINER])
    outcome = sampan("ps", "--format", "{{.NoSuch}}")
    assert outcome.status == 1
    assert outcome.err == (
        'failed to execute template: template: :1:2: executing "" at <.NoSuch>: '
        "can't evaluate field NoSuch in type *formatter.ContainerContext\n"
    )


def test_ps_takes_its_format_from_the_configuration(sampan, engine, tmp_path):
    engine.on("GET", "/containers/json", [CONTAINER])
    (tmp_path / "home" / "config.json").write_text('{"psFormat": "{{.Names}}"}')
    assert sampan("ps").out == "web\n"


def test_ports_join_to_ranges():
    def port(private, public=0, address="", kind="tcp"):
        return {"PrivatePort": private, "PublicPort": public, "IP": address, "Type": kind}

    both = [port(81, 81, "0.0.0.0"), port(80, 80, "0.0.0.0"), port(80, 80, "::")]
    assert ports_text(both) == "0.0.0.0:80-81->80-81/tcp, [::]:80->80/tcp"
    assert ports_text([port(9000, kind="udp"), port(80, 8080, "0.0.0.0")]) == (
        "9000/udp, 0.0.0.0:8080->80/tcp"
    )


def test_images_have_a_row_per_tag_and_for_names_without_a_tag():
    image = {
        "Id": "sha256:1",
        "RepoTags": ["a:1", "localhost:5000/a:2"],
        "RepoDigests": ["b@sha256:2"],
    }
    assert [row["_name"] for row in rows([image])] == [
        ("a", "1", "<none>"),
        ("localhost:5000/a", "2", "<none>"),
        ("b", "<none>", "sha256:2"),
    ]
    bare = {"Id": "sha256:1", "RepoTags": ["<none>:<none>"], "RepoDigests": None}
    assert [row["_name"] for row in rows([bare])] == [("<none>", "<none>", "<none>")]


def test_images_are_listed_newest_first(sampan, engine):
    old = {"Id": "sha256:" + "1" * 64, "RepoTags": ["old:1"], "Created": 5, "Size": 1}
    new = {"Id": "sha256:" + "2" * 64, "RepoTags": ["new:1"], "Created": 9, "Size": 1_234_567}
    engine.on("GET", "/images/json", [old, new])
    lines = sampan("images").out.splitlines()
    assert lines[0].split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert lines[1].split()[:3] == ["new", "1", "2" * 12]
    assert lines[1].endswith("1.23MB")
    assert sampan("images", "-q").out == "2" * 12 + "\n" + "1" * 12 + "\n"


def test_network_ls_sorts_numbers_as_numbers(sampan, engine):
    networks = [
        {"Id": str(n) * 64, "Name": f"net{n}", "Driver": "bridge", "Scope": "local"}
        for n in (10, 9)
    ]
    engine.on("GET", "/networks", networks)
    assert sampan("network", "ls", "--format", "{{.Name}}").out == "net9\nnet10\n"


def test_volume_ls(sampan, engine):
    volumes = [{"Name": "b", "Driver": "local"}, {"Name": "a", "Driver": "local"}]
    engine.on("GET", "/volumes", {"Volumes": volumes, "Warnings": None})
    assert sampan("volume", "ls").out == ("DRIVER    VOLUME NAME\nlocal     a\nlocal     b\n")
