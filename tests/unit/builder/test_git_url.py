"""What is a repository, and which part of it is meant."""

import pytest

from sampan.builder.git_url import BadGitUrl, GitUrl, parse_git_url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://h/r.git", GitUrl("https://h/r.git")),
        ("https://h/r.git#main", GitUrl("https://h/r.git", "main")),
        ("https://h/r.git#main:sub/d", GitUrl("https://h/r.git", "main", "sub/d")),
        ("https://h/r.git#:sub", GitUrl("https://h/r.git", "", "sub")),
        ("git://h/r#v1", GitUrl("git://h/r", "v1")),
        ("ssh://git@h/r.git", GitUrl("ssh://git@h/r.git")),
        ("git@h:o/r.git#x", GitUrl("git@h:o/r.git", "x")),
        ("github.com/o/r", GitUrl("https://github.com/o/r")),
        (
            "https://h/r.git?ref=v1&subdir=d&checksum=abc",
            GitUrl("https://h/r.git", "v1", "d", "abc"),
        ),
        ("https://h/r.git?branch=b", GitUrl("https://h/r.git", "b")),
        ("https://h/r", None),
        ("https://h/r.tar.gz", None),
        ("http://h/x?y=z.git", None),
        ("file:///r.git", None),
        ("/r.git", None),
        ("ext::sh -c x", None),
        ("dir/file", None),
    ],
)
def test_address(text, expected):
    assert parse_git_url(text) == expected


@pytest.mark.parametrize(
    "text", ["git://h/r#--upload-pack=x", "git://h/r#a b", "https://h/r.git?nosuch=1"]
)
def test_refused(text):
    with pytest.raises(BadGitUrl):
        parse_git_url(text)
