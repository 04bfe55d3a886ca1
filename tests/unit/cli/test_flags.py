import pytest

from sampan.cli.flags import Flag, FlagError, parse

FLAGS = (
    Flag("all", "a"),
    Flag("interactive", "i"),
    Flag("tty", "t"),
    Flag("publish", "p", "list"),
    Flag("name", "", "string"),
    Flag("memory", "m", "bytes"),
    Flag("cpus", "", "decimal"),
    Flag("wait", "", "duration"),
    Flag("alias", "", "strings"),
    Flag("pause", "", "bool", default=True),
    Flag("swap", "", "swap"),
)


def test_clusters_glued_values_and_equals():
    flags, rest = parse(FLAGS, ["-it", "-p80:80", "-p=1:2", "--name=x", "image"])
    assert flags.on("interactive")
    assert flags.on("tty")
    assert flags.items("publish") == ["80:80", "1:2"]
    assert (flags.text("name"), rest) == ("x", ["image"])


def test_cluster_may_end_with_a_flag_that_takes_a_value():
    flags, _ = parse(FLAGS, ["-itp", "80"])
    assert flags.items("publish") == ["80"]


def test_interspersed_flags_are_found_after_arguments():
    flags, rest = parse(FLAGS, ["x", "-a", "y"])
    assert flags.on("all")
    assert rest == ["x", "y"]


def test_without_interspersing_the_first_argument_ends_flags():
    flags, rest = parse(FLAGS, ["-i", "image", "ls", "-a"], interspersed=False)
    assert not flags.on("all")
    assert rest == ["image", "ls", "-a"]


def test_two_dashes_end_flags():
    flags, rest = parse(FLAGS, ["-a", "--", "-i"])
    assert not flags.on("interactive")
    assert rest == ["-i"]


def test_a_lone_dash_is_an_argument():
    assert parse(FLAGS, ["-"])[1] == ["-"]


def test_booleans_can_be_switched_off_and_have_defaults():
    assert parse(FLAGS, [])[0].on("pause")
    assert not parse(FLAGS, ["--pause=false"])[0].on("pause")


@pytest.mark.parametrize(
    ("word", "name", "value"),
    [
        ("--memory=64m", "memory", 64 << 20),
        ("--cpus=1.5", "cpus", 1_500_000_000),
        ("--cpus=.5", "cpus", 500_000_000),
        ("--wait=1m30s", "wait", 90 * 10**9),
        ("--swap=-1", "swap", -1),
    ],
)
def test_values_are_read_by_kind(word, name, value):
    assert parse(FLAGS, [word])[0].number(name) == value


def test_strings_split_at_commas_and_lists_do_not():
    flags, _ = parse(FLAGS, ["--alias=a,b", "--alias", "c", "-p", "1,2"])
    assert flags.items("alias") == ["a", "b", "c"]
    assert flags.items("publish") == ["1,2"]


@pytest.mark.parametrize("word", ["--nosuch", "-Z", "---a", "--=a", "--memory=1x", "--cpus=x"])
def test_refused(word):
    with pytest.raises(FlagError):
        parse(FLAGS, [word])


def test_filters_collect_values_by_key():
    flags, _ = parse((Flag("filter", "f", "filter"),), ["-f", "label=a=b", "-f", "LABEL=c"])
    assert flags.filters() == {"label": ["a=b", "c"]}
