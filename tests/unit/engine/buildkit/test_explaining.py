"""Reasons of a missed cache in words."""

from sampan.builder.progress import Changed, Reason
from sampan.engine.buildkit.explaining import explanation
from sampan.engine.buildkit.linting import rule_url


def test_reasons_name_their_inputs():
    assert explanation((Reason(Changed.FILE_CHANGED, "app/x.py"),)) == "file app/x.py changed"
    assert explanation((Reason(Changed.NEVER_CACHED),)) == "never cached before"
    digests = ("sha256:" + "a" * 64, "sha256:" + "b" * 64)
    told = explanation((Reason(Changed.BASE, "busybox", *digests), Reason(Changed.NO_CACHE)))
    assert told == (
        "base image busybox changed (sha256:aaaaaaaaaaaa -> sha256:bbbbbbbbbbbb), "
        "the cache is not used"
    )
    assert explanation((Reason(Changed.ARGUMENT, "V", "", "2"),)) == (
        "build argument V changed (unset -> 2)"
    )


def test_many_reasons_are_counted():
    many = tuple(Reason(Changed.FILE_ADDED, str(number)) for number in range(8))
    assert explanation(many).endswith("file 4 added, and 3 more")


def test_rules_have_pages():
    assert rule_url("JSONArgsRecommended").endswith("/json-args-recommended/")
    assert rule_url("FromAsCasing").endswith("/from-as-casing/")
