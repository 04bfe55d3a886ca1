import pytest

from sampan.logs.receivers import (
    LOCAL_SYSLOG,
    Address,
    facility,
    journal_fields,
    parse_address,
    tls,
)
from sampan.logs.tags import Facts

FACTS = Facts(
    id="0123456789abcdef",
    name="box",
    image_id="sha256:fe",
    image_name="busybox",
    command="sh",
    labels={"com.x/y": "2", "-_": "x"},
    env={"A": "a"},
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Address(network="unixgram", paths=LOCAL_SYSLOG)),
        ("unix:///a/b", Address(network="unix", paths=("/a/b",))),
        ("unixgram:///a/b", Address(network="unixgram", paths=("/a/b",))),
        ("udp://10.0.0.1:1514", Address(network="udp", host="10.0.0.1", port=1514)),
        ("tcp://logs.example", Address(network="tcp", host="logs.example", port=514)),
        ("tcp+tls://[::1]:6514", Address(network="tcp+tls", host="::1", port=6514)),
    ],
)
def test_addresses(text, expected):
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    ("text", "number"), [("", 3), ("kern", 0), ("local7", 23), ("5", 5), ("ftp", 11)]
)
def test_facilities(text, number):
    assert facility(text) == number


def test_journal_fields_are_dockers_and_the_chosen_ones_in_the_journals_spelling():
    options = {"labels": "com.x/y,-_", "env": "A", "tag": "t-{{.Name}}"}
    assert journal_fields(options, FACTS) == {
        "CONTAINER_ID": "0123456789ab",
        "CONTAINER_ID_FULL": "0123456789abcdef",
        "CONTAINER_NAME": "box",
        "CONTAINER_TAG": "t-box",
        "IMAGE_NAME": "busybox",
        "SYSLOG_IDENTIFIER": "t-box",
        "COM_X_Y": "2",
        "A": "a",
    }


def test_certificates_are_checked_unless_asked_not_to():
    assert tls({})["verify"] is True
    assert tls({"syslog-tls-skip-verify": "1"})["verify"] is False
