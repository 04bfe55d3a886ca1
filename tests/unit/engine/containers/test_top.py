import os

import pytest

from sampan.engine.containers.top import process_table, select_rows
from sampan.errors import InvalidArgument

OUTPUT = """UID          PID    PPID  C STIME TTY          TIME CMD
root           1       0  0 10:00 ?        00:00:01 /sbin/init splash
root          42       1  0 10:00 ?        00:00:00 sleep 100
"""


def test_rows_of_the_container_keep_the_blanks_of_their_command() -> None:
    table = select_rows(OUTPUT, {42})
    assert table.titles[:3] == ("UID", "PID", "PPID")
    assert table.rows == (("root", "42", "1", "0", "10:00", "?", "00:00:00", "sleep 100"),)


def test_output_without_a_pid_column_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="PID"):
        select_rows("CMD\nsleep\n", {1})


def test_the_hosts_ps_is_asked() -> None:
    table = process_table("-o pid,comm", {os.getpid()})
    assert table.titles == ("PID", "COMMAND")
    assert table.rows[0][0] == str(os.getpid())


def test_bad_ps_arguments_are_the_clients_fault() -> None:
    with pytest.raises(InvalidArgument):
        process_table("--nosuchoption", {1})
