from sampan.engine.containers.execs import exec_environment, with_home
from sampan.wire.execs import ExecCreate

BASE = ["PATH=/bin", "HOME=/root", "A=1"]


def test_the_execs_own_variables_win_and_new_ones_follow() -> None:
    request = ExecCreate(Env=["A=2", "B=3"])
    assert exec_environment(BASE, request) == ["PATH=/bin", "HOME=/root", "A=2", "B=3"]


def test_a_name_without_a_value_removes_the_variable() -> None:
    assert exec_environment(BASE, ExecCreate(Env=["A"])) == ["PATH=/bin", "HOME=/root"]


def test_a_terminal_brings_term_unless_there_is_one() -> None:
    assert exec_environment(BASE, ExecCreate(Tty=True))[-1] == "TERM=xterm"
    assert exec_environment(["TERM=vt100"], ExecCreate(Tty=True)) == ["TERM=vt100"]


def test_another_user_gets_its_own_home() -> None:
    assert with_home(BASE, "/home/u") == ["PATH=/bin", "A=1", "HOME=/home/u"]
