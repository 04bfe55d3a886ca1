"""What a page looks like: a picture by Chromium, and whether there is anything to see in it."""

import struct
import zlib

from integration.hub.browser import Browser

_SHADES = 16


def take_picture(url: str) -> bytes:
    """A PNG of the page, which has more than an empty window."""
    with Browser() as browser:
        browser.look()
        browser.open(url)
        picture = browser.picture()
    has_something_to_see(picture)
    return picture


def has_something_to_see(picture: bytes) -> None:
    assert _size(picture) == (1280, 900), "the window of Browser.look"
    assert len(set(_lines(picture))) > _SHADES, "one plain area"


def _size(picture: bytes) -> tuple[int, int]:
    assert picture.startswith(b"\x89PNG\r\n\x1a\n"), picture[:20]
    width, height = struct.unpack_from(">II", picture, 16)
    return width, height


def _lines(picture: bytes) -> bytes:
    """The lines as PNG has them: told by differences, so that one colour is almost all zeros."""
    packed, at = b"", 8
    while at < len(picture):
        length, kind = struct.unpack_from(">I4s", picture, at)
        if kind == b"IDAT":
            packed += picture[at + 8 : at + 8 + length]
        at += 12 + length
    return zlib.decompress(packed)
