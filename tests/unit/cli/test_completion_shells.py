"""The completion scripts in the real shells, with a Tab pressed on a terminal where that counts."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

TAB = b"\t"


@pytest.fixture
def variables(engine, tmp_path):
    engine.on("GET", "/containers/json", [
        {"Names": [f"/{name}"], "Image": "busybox", "Status": "Up", "State": "running"}
        for name in ("web-one", "web-two", "db")
    ])  # fmt: skip
    engine.on("GET", "/images/json", [{"RepoTags": ["reg.test:5000/box:v1"]}])
    engine.on("GET", "/volumes", {"Volumes": []})
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "DOCKER_HOST": engine.address,
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
    }


def needs(shell):
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


class Terminal:
    """A shell on a terminal."""

    def __init__(self, argv, variables, cwd):
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.chdir(cwd)
            os.execvpe(argv[0], argv, variables)
        self.seen = b""

    def type(self, data):
        os.write(self._fd, data)

    def until(self, text):
        deadline = time.monotonic() + 15
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen
            if select.select([self._fd], [], [], 0.2)[0]:
                self.seen += os.read(self._fd, 4096)
        self.seen = self.seen.partition(text)[2]

    def close(self):
        os.kill(self._pid, 9)
        os.waitpid(self._pid, 0)
        os.close(self._fd)


@pytest.fixture
def terminal(variables, tmp_path):
    opened = []

    def start(*argv, **more):
        opened.append(Terminal(argv, {**variables, **more}, tmp_path))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def in_bash(line, variables):
    """What bash would offer for `line`, by `bash -ic`."""
    script = """
        source <(sampan completion bash)
        COMP_LINE="$LINE" COMP_POINT=${#LINE}
        IFS=$'\\n' COMP_WORDS=($PIECES) COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 )); unset IFS
        [[ "$LINE" == *" " ]] && COMP_WORDS+=("") && (( COMP_CWORD++ ))
        complete -p sampan >&2
        _sampan
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    pieces = line.replace(":", "\n:\n").replace("=", "\n=\n").replace(" ", "\n").strip()
    done = subprocess.run(
        ["bash", "--norc", "-ic", script],
        capture_output=True,
        text=True,
        check=True,
        env={**variables, "LINE": line, "PIECES": pieces},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        cwd=variables["HOME"],
    )
    assert "complete -F _sampan sampan" in done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sampan vol", ["volume"]),
        ("sampan rm ", ["db", "web-one", "web-two"]),
        ("sampan stop web", ["web-one", "web-two"]),
        ("sampan rmi reg.test:", ["5000/box:v1"]),
        ("sampan rmi reg.test:5000/box:", ["v1"]),
        ("sampan run --pull=", ["always", "missing", "never"]),
        ("sampan run --pull=al", ["always"]),
        ("sampan cp d", ["db:"]),
        ("sampan nosuch ", []),
    ],
)
def test_bash_offers_words_cut_as_bash_cuts_them(line, expected, variables):
    assert in_bash(line, variables) == expected


def test_bash_completes_on_tab(terminal, tmp_path):
    (tmp_path / "settings.env").touch()
    bash = terminal("bash", "--norc", "-i", PS1="ready> ")
    bash.until(b"ready> ")
    bash.type(b"source <(sampan completion bash); PS1='on''> '\n")
    bash.until(b"on> ")
    bash.type(b"sampan vol" + TAB)
    bash.until(b"sampan volume ")
    bash.type(b"\x15sampan stop web" + TAB)
    bash.until(b"web")
    bash.until(b"-")  # what both have in common, after a bell
    bash.type(b"t" + TAB)
    bash.until(b"two ")
    bash.type(b"\x15sampan run --env-file sett" + TAB)
    bash.until(b"settings.env ")
    bash.type(b"\x15sampan rmi reg" + TAB)
    bash.until(b"reg.test:5000/box:v1 ")


@needs("zsh")
def test_zsh_completes_on_tab(terminal):
    zsh = terminal("zsh", "-f", "-i", PS1="ready> ")
    zsh.until(b"ready> ")
    zsh.type(b"autoload -U compinit && compinit -u -D; PS1='on''> '\n")
    zsh.until(b"on> ")
    zsh.type(b"source <(sampan completion zsh); PS1='load''ed> '\n")
    zsh.until(b"loaded> ")
    for typed, completed in (
        (b"vol", b"volume "),
        (b"stop web-t", b"web-two "),
        (b"rmi reg", b"reg.test:5000/box:v1 "),
        (b"cp d", b"db:"),
    ):
        zsh.type(b"\x15sampan " + typed + TAB)
        zsh.until(typed)
        zsh.until(completed[len(typed.split()[-1]) :])


@needs("fish")
def test_fish_lists_the_same_words(variables, tmp_path):
    (tmp_path / "settings.env").touch()

    def offered(line):
        script = "sampan completion fish | source; complete -C $argv[1]"
        done = subprocess.run(
            ["fish", "--no-config", "-c", script, line],
            capture_output=True,
            text=True,
            check=True,
            env=variables,
            cwd=tmp_path,
        )
        assert done.stderr == ""
        return [row.partition("\t")[0] for row in done.stdout.splitlines()]

    assert offered("sampan vol") == ["volume"]
    assert sorted(offered("sampan stop web")) == ["web-one", "web-two"]
    assert offered("sampan rmi reg.test:") == ["reg.test:5000/box:v1"]
    assert offered("sampan run --env-file sett") == ["settings.env"]
    assert offered("sampan nosuch ") == []
