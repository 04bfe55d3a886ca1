import pytest

from sampan.runtime.launch_errors import launch_failed


@pytest.mark.parametrize(
    ("said", "command", "cause", "code"),
    [
        (
            "executable file `x` not found in $PATH: No such file or directory",
            "x",
            'exec: "x": executable file not found in $PATH',
            127,
        ),
        (
            (
                "runc create failed: unable to start container process: "
                'exec: "x": executable file not found in $PATH'
            ),
            "x",
            'exec: "x": executable file not found in $PATH',
            127,
        ),
        ("open executable: Permission denied", "/x", 'exec: "/x": permission denied', 126),
        (
            "mount `proc`: Operation not permitted",
            "x",
            "mount `proc`: Operation not permitted",
            128,
        ),
        ("", "x", "unknown failure", 128),
    ],
)
def test_causes_and_codes_are_dockers(said, command, cause, code):
    failure = launch_failed(said, runtime="crun", command=command)
    assert failure.exit_code == code
    assert failure.message == (
        "failed to create shim task: OCI runtime create failed: crun create failed: "
        f"unable to start container process: {cause}: unknown"
    )


def test_a_file_onto_a_directory_gets_dockers_hint():
    said = "open `/rootfs/etc/hosts`: Not a directory"
    failure = launch_failed(said, runtime="crun", command="x")
    assert failure.exit_code == 127
    assert "Are you trying to mount a directory onto a file" in failure.message
