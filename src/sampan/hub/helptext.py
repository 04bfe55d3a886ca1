"""How the hub's commands explain themselves: argparse's text with the other commands' headings."""

import argparse
from collections.abc import Iterable
from typing import Any

MORE = "More: sampan hub gc, sampan hub org, sampan hub user"
_HEADINGS = {"options": "Options", "positional arguments": "Arguments"}


class HelpText(argparse.HelpFormatter):
    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[Any],  # argparse has no public name for their class
        prefix: str | None = None,
    ) -> None:
        super().add_usage(usage, actions, groups, "Usage:  " if prefix is None else prefix)

    def start_section(self, heading: str | None) -> None:
        super().start_section(_HEADINGS.get(heading or "", heading))
