"""What an earlier daemon's table lacks and has too much of.

A table in use is never replaced when its elements can be set right one by one: taking it down and
up again is one transaction, but a connection that begins at that very moment may pass between the
old chains and the new ones, and is refused.
"""

from collections.abc import Iterable
from typing import Any

from sampan.linux.nft import Nft
from sampan.network.ruleset import MARK, Family, element

_KINDS = ("set", "map")


def corrections(nft: Nft, family: Family, table: str, wanted: Iterable[str]) -> list[str] | None:
    """Commands that make the table's elements those of `wanted` (commands that add them).

    None: its chains are another version's, it must be written anew.
    """
    entries = nft.list(f"table {family.ip} {table}")
    if not any(entry.get("chain", {}).get("name") == MARK for entry in entries):
        return None
    present: dict[str, str] = {}  # what would add it -> what deletes it
    for entry in entries:
        for kind in _KINDS:
            if kind in entry:
                present |= _present(family, table, entry[kind])
    missing = dict.fromkeys(wanted)
    deleted = [remove for add, remove in present.items() if add not in missing]
    return deleted + [add for add in missing if add not in present]


# Any: the JSON of libnftables (libnftables-json(5))
def _present(family: Family, table: str, found: dict[str, Any]) -> dict[str, str]:
    name = found["name"]
    elements = {}
    for one in found.get("elem", ()):
        key, value = one if isinstance(one, list) else (one, None)
        text = _text(key, quoted=found["type"])
        whole = text if value is None else f"{text} : {_text(value)}"
        add = element(family, table, "add", name, whole)
        elements[add] = element(family, table, "delete", name, text)
    return elements


def _text(value: Any, *, quoted: str | list[str] = "") -> str:
    """In the words of `ruleset`."""
    if isinstance(value, dict) and "concat" in value:
        return " . ".join(_text(part, quoted=quoted) for part in value["concat"])
    if isinstance(value, dict) and "prefix" in value:
        return f"{value['prefix']['addr']}/{value['prefix']['len']}"
    return f'"{value}"' if "ifname" in quoted else str(value)
