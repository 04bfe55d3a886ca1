import base64
import json
import stat

import pytest

from sampan.wire.archive import PathStat, go_mode


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (stat.S_IFREG | 0o644, 0o644),
        (stat.S_IFDIR | 0o755, 1 << 31 | 0o755),
        (stat.S_IFLNK | 0o777, 1 << 27 | 0o777),
        (stat.S_IFDIR | stat.S_ISVTX | 0o777, 1 << 31 | 1 << 20 | 0o777),
        (stat.S_IFREG | stat.S_ISUID | 0o755, 1 << 23 | 0o755),
        (stat.S_IFCHR | 0o600, 1 << 26 | 1 << 21 | 0o600),
    ],
)
def test_modes_are_gos(mode: int, expected: int) -> None:
    assert go_mode(mode) == expected


def test_path_stat_header_is_base64_json() -> None:
    facts = PathStat(name="f", size=3, mode=0o644, mtime="2026-01-01T00:00:00Z", linkTarget="")
    assert json.loads(base64.b64decode(facts.header())) == {
        "name": "f",
        "size": 3,
        "mode": 0o644,
        "mtime": "2026-01-01T00:00:00Z",
        "linkTarget": "",
    }
