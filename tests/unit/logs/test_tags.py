import pytest

from sampan.errors import InvalidArgument
from sampan.logs.tags import Facts, attributes, render

FACTS = Facts(
    id="0123456789abcdef",
    name="box",
    image_id="sha256:fedcba9876543210",
    image_name="busybox:1",
    command="sh -c true",
    labels={"a": "1", "com.x/y": "2"},
    env={"X1": "x", "Y": "y"},
    hostname="host",
)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("{{.Name}}/{{ .ID }}/{{.FullID}}", "box/0123456789ab/0123456789abcdef"),
        ("{{.ImageName}} {{.ImageID}}", "busybox:1 fedcba987654"),
        ("{{.ImageFullID}}", "sha256:fedcba9876543210"),
        ("{{.Command}}@{{.Hostname}} {{.DaemonName}}", "sh -c true@host docker"),
        ("{{upper .Name}} {{lower .Name}} {{json .Name}}", 'BOX box "box"'),
        ("{{truncate .FullID 4}}", "0123"),
        ('{{index .ContainerLabels "com.x/y"}}-{{.ContainerLabels.a}}', "2-1"),
        ("{{.ContainerLabels.nosuch}}", ""),
    ],
)
def test_templates_are_filled_in(template, expected):
    assert render(template, FACTS) == expected


@pytest.mark.parametrize("template", ["{{.Nosuch}}", "{{if .Name}}x{{end}}", "{{.Name", "{{}}"])
def test_templates_beyond_the_subset_are_refused(template):
    with pytest.raises(InvalidArgument) as failure:
        render(template, FACTS)
    assert "log-tag" in failure.value.message


def test_attributes_are_chosen_labels_variables_and_a_tag():
    options = {"labels": "a,nosuch", "env-regex": "^X", "tag": "{{.Name}}/{{.ID}}"}
    assert attributes(options, FACTS) == {"a": "1", "X1": "x", "tag": "box/0123456789ab"}


def test_without_options_there_are_no_attributes():
    assert attributes({}, FACTS) == {}
