"""Whose root is handed out for `cp`: a container's, never this machine's."""

import os
import subprocess

from sampan.engine.containers.rootview import process_root


def test_a_number_that_became_a_process_of_the_host_gives_nothing():
    assert process_root(os.getpid()) is None


def test_a_process_that_has_ended_gives_nothing():
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert process_root(ended.pid) is None
