import os

import pytest

from sampan.errors import InvalidArgument
from sampan.runtime.users import resolve_user

PASSWD = """root:x:0:0:root:/root:/bin/sh
# comment
broken line
web:x:33:34:web:/srv:/bin/false
1000:x:2000:2001::/num:/bin/sh
"""
GROUP = "root:x:0:\nwww:x:34:\nstaff:x:50:web,other\nextra:x:60:web\n"


@pytest.fixture
def rootfs(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "ids", "home"),
    [
        ("", (0, 0, ()), "/root"),
        ("web", (33, 34, (50, 60)), "/srv"),
        ("33", (33, 34, (50, 60)), "/srv"),
        ("web:staff", (33, 50, ()), "/srv"),
        ("web:99", (33, 99, ()), "/srv"),
        ("12345", (12345, 0, ()), "/"),
        ("12345:12", (12345, 12, ()), "/"),
        ("1000", (2000, 2001, ()), "/num"),
        (":staff", (0, 50, ()), "/root"),
    ],
)
def test_users_and_groups(rootfs, text, ids, home):
    user = resolve_user(rootfs, text)
    assert (user.uid, user.gid, user.additional_gids) == ids
    assert user.home == home


def test_groups_can_be_added_by_name_and_number(rootfs):
    assert resolve_user(rootfs, "", ["staff", "77", "staff"]).additional_gids == (50, 77)


def test_unknown_names_are_refused_as_docker_does(rootfs):
    with pytest.raises(InvalidArgument) as failure:
        resolve_user(rootfs, "nosuch")
    assert failure.value.message == (
        "unable to find user nosuch: no matching entries in passwd file"
    )
    with pytest.raises(InvalidArgument, match="unable to find group nosuch"):
        resolve_user(rootfs, "web:nosuch")


def test_huge_ids_are_refused(rootfs):
    with pytest.raises(InvalidArgument, match="uids and gids must be in range"):
        resolve_user(rootfs, "4294967295")


def test_images_without_files_have_only_numbers(tmp_path):
    assert resolve_user(tmp_path, "5:6").gid == 6
    with pytest.raises(InvalidArgument):
        resolve_user(tmp_path, "web")


def test_a_link_cannot_lead_out_of_the_image(tmp_path):
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "passwd").write_text("evil:x:7:7::/:/bin/sh\n")
    (tmp_path / "root/etc/passwd").symlink_to("../../passwd")
    with pytest.raises(InvalidArgument):
        resolve_user(tmp_path / "root", "evil")


@pytest.mark.parametrize("text", ["9" * 5000, "0:" + "9" * 5000, "99999999999"])
def test_endless_numbers_are_out_of_range(rootfs, text):
    with pytest.raises(InvalidArgument, match="must be in range"):
        resolve_user(rootfs, text)


def test_rows_with_endless_numbers_do_not_count(rootfs):
    (rootfs / "etc/passwd").write_text(f"evil:x:{'9' * 5000}:0::/:/bin/sh\n")
    with pytest.raises(InvalidArgument, match="unable to find user evil"):
        resolve_user(rootfs, "evil")


def test_a_device_in_the_place_of_passwd_is_not_opened(rootfs):
    (rootfs / "etc/passwd").unlink()
    os.mkfifo(rootfs / "etc/passwd")
    writer = os.open(rootfs / "etc/passwd", os.O_RDWR | os.O_NONBLOCK)  # a read would wait
    try:
        assert resolve_user(rootfs, "0").uid == 0
    finally:
        os.close(writer)
