"""Asking before something is lost."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context


def confirmed(context: Context, warning: str) -> bool:
    """Whether the user says yes; anything but y or Y is a no, and so is the end of input."""
    context.out(f"{warning}\nAre you sure you want to continue? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() == "y"
