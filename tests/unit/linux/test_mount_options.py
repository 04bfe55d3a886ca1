from pathlib import Path

from sampan.linux import libc
from sampan.linux.mounts import Mount, overlay, parse_options


def test_flags_propagation_and_data_are_told_apart():
    parsed = parse_options(["ro", "nosuid", "rslave", "size=1m", "mode=700"])
    assert parsed.flags == libc.MS_RDONLY | libc.MS_NOSUID
    assert parsed.propagation == libc.MS_SLAVE | libc.MS_REC
    assert parsed.data == ("size=1m", "mode=700")


def test_later_words_override_earlier_ones():
    assert parse_options(["ro", "noexec", "rw", "exec", "defaults"]).flags == 0


def test_overlay_keeps_layers_apart_from_options():
    made = overlay(
        [Path("/b"), Path("/a")], upper=Path("/u"), work=Path("/w"), options=("index=off",)
    )
    expected = ("upperdir=/u", "workdir=/w", "index=off")
    assert made == Mount("overlay", "overlay", expected, ("/b", "/a"))
