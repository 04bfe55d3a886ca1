"""`--platform` of verbs on images: os[/arch[/variant]], as a query's JSON (API 1.48 on)."""

from __future__ import annotations

NAMES = ("os", "architecture", "variant")


def platform_json(text: str) -> str:
    from sampan.lib.jsontext import encode

    return encode(dict(zip(NAMES, text.lower().split("/"), strict=False)))


def platform_query(text: str) -> list[tuple[str, str]]:
    """Nothing for ""."""
    return [("platform", platform_json(text))] if text else []
