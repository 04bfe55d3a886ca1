"""The tabs of a repository's page and of an organisation's, as tables that other parts extend.

A tab is shown to whoever has the right it needs; its page checks for itself.
"""

from dataclasses import dataclass

from sampan.hub.accounts.permissions import Right
from sampan.hub.accounts.standing import Seen


@dataclass(frozen=True, slots=True)
class Tab:
    """`tail` follows the repository's address."""

    key: str
    title: str
    tail: str
    needs: Right = Right.PULL


REPOSITORY_TABS: tuple[Tab, ...] = (
    Tab("overview", "Overview", ""),
    Tab("tags", "Tags", "/tags"),
    Tab("builds", "Builds", "/builds", Right.EDIT),
    Tab("webhooks", "Webhooks", "/webhooks", Right.EDIT),
    Tab("sharing", "Collaborators", "/collaborators", Right.EDIT),
    Tab("settings", "Settings", "/settings", Right.EDIT),
)


def tabs_for(seen: Seen, tabs: tuple[Tab, ...] = REPOSITORY_TABS) -> list[Tab]:
    return [tab for tab in tabs if seen.may(tab.needs)]
