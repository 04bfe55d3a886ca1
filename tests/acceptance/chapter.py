"""What the chapter's reader has in a folder, and what a test needs to stand beside others.

chapter_files/ has the Dockerfiles and the Compose file: as the text means them, and as a page
prints them (`-as-printed`), broken over two lines or indented too far. The application is the
example's.
"""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path

from acceptance.client import Client
from integration.harness import ROOT

FILES = Path(__file__).with_name("chapter_files")
SUBNET = IPv4Network("172.25.0.0/16")


def check_out(folder: Path) -> None:
    """The application in a folder, its Dockerfile and Compose file beside it."""
    shutil.copytree(FILES / "application", folder)
    shutil.copy2(FILES / "docker-compose.yml", folder)
    (folder / "cloud_native_app").mkdir()
    for name in ("app.py", "requirements.txt", "static", "templates"):
        found = ROOT / "examples" / "cloud-native-app" / name
        copy = shutil.copytree if found.is_dir() else shutil.copy2
        copy(found, folder / "cloud_native_app" / name)


def free_subnet() -> IPv4Network:
    """The text's, unless something on this machine has it already."""
    listed = subprocess.run(["ip", "-json", "route"], capture_output=True, check=True).stdout
    routes = [each["dst"] for each in json.loads(listed) if each["dst"] != "default"]
    taken = [IPv4Network(each) for each in routes]
    wanted = [SUBNET, *(IPv4Network(f"172.{number}.0.0/16") for number in range(40, 60))]
    return next(each for each in wanted if not any(map(each.overlaps, taken)))


@contextmanager
def in_the_foreground(client: Client, line: str, folder: Path) -> Iterator[Path]:
    """A command that runs until Ctrl-C; the file has what it says."""
    said = client.home / "said"
    with said.open("w") as out:
        process = subprocess.Popen(
            client.words(line),
            cwd=folder,
            env=client.environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            # tests that a script started in the background have it ignored
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )
        try:
            yield said
            process.send_signal(signal.SIGINT)
            status = process.wait(60)
        finally:
            process.kill()
            process.wait()
    assert status in (0, 130), said.read_text()
