import pytest

from sampan.errors import InvalidArgument
from sampan.logs.drivers import Rotation, attributes, check


@pytest.mark.parametrize(
    ("driver", "options", "text"),
    [
        ("json-file", {"nosuch": "1"}, "unknown log opt 'nosuch' for json-file log driver"),
        ("syslog", {}, "no log driver named 'syslog' is registered"),
        ("json-file", {"max-size": "x"}, "invalid size: 'x'"),
        ("json-file", {"max-size": "0"}, "max-size must be a positive number"),
        ("json-file", {"max-file": "0"}, "max-file cannot be less than 1"),
        ("json-file", {"compress": "true"}, "compress cannot be true"),
        ("json-file", {"mode": "x"}, "logging mode not supported"),
        ("json-file", {"max-buffer-size": "1m"}, "only supported with 'mode=non-blocking'"),
        ("json-file", {"env-regex": "("}, "invalid regular expression"),
    ],
)
def test_impossible_options_are_refused(driver, options, text):
    with pytest.raises(InvalidArgument) as failure:
        check(driver, options)
    assert text in failure.value.message


@pytest.mark.parametrize(
    ("driver", "options", "expected"),
    [
        ("json-file", {}, Rotation()),
        (
            "json-file",
            {"max-size": "10k", "max-file": "3", "compress": "true"},
            Rotation(max_size_bytes=10_000, max_files=3, compress=True),
        ),
        ("local", {}, Rotation(max_size_bytes=20 << 20, max_files=5, compress=True)),
        ("none", {}, Rotation()),
    ],
)
def test_rotation(driver, options, expected):
    assert check(driver, options) == expected


def test_attributes_are_chosen_labels_variables_and_a_tag():
    found = attributes(
        {"labels": "a,nosuch", "env-regex": "^X", "tag": "{{.Name}}/{{.ID}}"},
        labels={"a": "1", "b": "2"},
        env={"X1": "x", "Y": "y"},
        tag_facts={"Name": "box", "ID": "0123"},
    )
    assert found == {"a": "1", "X1": "x", "tag": "box/0123"}
