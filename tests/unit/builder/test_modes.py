"""--chmod: octal and symbols."""

import pytest

from sampan.builder.modes import InvalidMode, parse_mode


@pytest.mark.parametrize(
    ("text", "mode", "is_directory", "expected"),
    [
        ("755", 0o600, False, 0o755),
        ("0640", 0o777, True, 0o640),
        ("4711", 0, False, 0o4711),
        ("+x", 0o644, False, 0o755),
        ("u=rwX,go=rX", 0o600, False, 0o644),
        ("u=rwX,go=rX", 0o700, False, 0o755),
        ("u=rwX,go=rX", 0o600, True, 0o755),
        ("go-rwx", 0o777, False, 0o700),
        ("a=r", 0o777, False, 0o444),
        ("u+s,g+s,+t", 0o755, False, 0o7755),
        ("g=u", 0o740, False, 0o770),
        ("u+w-x", 0o500, False, 0o600),
        ("=", 0o777, False, 0),
    ],
)
def test_mode(text, mode, is_directory, expected):
    assert parse_mode(text)(mode, is_directory) == expected


@pytest.mark.parametrize("text", ["", "abc", "8", "77777", "u", "u=q", "u=r,", "-1", "u=rwx;"])
def test_mistake(text):
    with pytest.raises(InvalidMode, match="invalid chmod parameter"):
        parse_mode(text)
