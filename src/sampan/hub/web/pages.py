"""Rendering: templates from this package, filters, and Markdown that strangers wrote.

Everything in a template is escaped unless it went through `markdown`. Markdown is rendered without
raw HTML and sanitised after that all the same; images from elsewhere become links, since a page
mustn't tell other servers who reads it.
"""

import hashlib
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import resources
from typing import Any
from urllib.parse import quote, urlencode

import nh3
from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from sampan.hub.accounts.standing import Repository

NOTES = {
    "saved": "Saved.",
    "created": "Created. Push an image with the commands below.",
    "removed": "Removed.",
    "welcome": "Welcome aboard! Your account is ready.",
    "approval": "The account is made. An administrator has to switch it on: come back then.",
    "password": "Your password is changed. Other sessions have ended.",
    "signed-out": "You are signed out.",
    "organisation": "The organisation is ready.",
    "member": "The member is saved.",
    "token-removed": "The token is revoked.",
    "sent": "The delivery is on its way: reload the page to see what came back.",
    "linked": "The source is linked. Check the rules, then let its git server tell of pushes.",
    "queued": "The build is queued.",
}
_TAGS = {
    *("a", "abbr", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6"),
    *("hr", "img", "li", "ol", "p", "pre", "s", "strong", "table", "tbody", "td", "th", "thead"),
    *("tr", "ul"),
}
_ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt", "title"}, "ol": {"start"}}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_STEPS = (
    (_MINUTE, 1, "second"),
    (_HOUR, _MINUTE, "minute"),
    (_DAY, _HOUR, "hour"),
    (30 * _DAY, _DAY, "day"),
    (365 * _DAY, 30 * _DAY, "month"),
)


class Pages:
    """Thread-safe after construction."""

    def __init__(self) -> None:
        self._markdown = MarkdownIt("commonmark", {"html": False}).enable(
            ["table", "strikethrough"]
        )
        self._environment = Environment(
            loader=PackageLoader("sampan.hub.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {
            "size": size_text,
            "ago": ago,
            "moment": moment,
            "count": count_text,
            "digest": short_digest,
            "markdown": self.markdown,
            "page": repository_path,
        }
        self._environment.globals |= {
            "style_version": _style_version(),
            "query_with": query_with,
        }

    def render(self, template: str, values: Mapping[str, Any], *, note: str = "") -> str:
        """`note` is a key of NOTES; others say nothing."""
        found = self._environment.get_template(template)
        return found.render({**values, "note": NOTES.get(note, "")})

    def markdown(self, text: str) -> Markup:
        tokens = self._markdown.parse(text)
        for token in tokens:
            for child in token.children or ():
                source = str(child.attrs.get("src", ""))
                if child.type == "image" and not source.startswith("data:image/"):
                    child.type, child.tag = "text", ""
                    child.content = f"[{child.content or 'image'}]"
        html = self._markdown.renderer.render(tokens, self._markdown.options, {})
        clean = nh3.clean(
            html,
            tags=_TAGS,
            attributes=_ATTRIBUTES,
            url_schemes={"http", "https", "mailto", "data"},
            link_rel="nofollow noopener noreferrer",
        )
        return Markup(clean)  # noqa: S704 - sanitised by nh3 just above


def repository_path(repository: Repository, tail: str = "") -> str:
    """Where a repository's page is; `tail` like "/tags"."""
    name = quote(repository.name.replace("/", "~"), safe="~")
    return f"/r/{quote(repository.namespace)}/{name}{tail}"


def query_with(query: Mapping[str, str], **changes: object) -> str:
    """The query with some parameters changed; empty ones are left out."""
    merged = {**query, **{name: str(value) for name, value in changes.items()}}
    merged.pop("note", None)
    return "?" + urlencode({name: value for name, value in merged.items() if value})


def size_text(size: int) -> str:
    """`12.3 MB`: decimal units, as docker shows sizes."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def count_text(count: int) -> str:
    """`999`, `12.3K`, `4.5M`."""
    if count < 1000:
        return str(count)
    return f"{count / 1000:.1f}K" if count < 10**6 else f"{count / 10**6:.1f}M"


def short_digest(digest: str) -> str:
    return digest.partition(":")[2][:12]


def ago(time_ns: int | None) -> str:
    if time_ns is None:
        return "never"
    passed = max(0, int(time.time() - time_ns / 10**9))
    if passed < 10:
        return "just now"
    for below, unit, name in _STEPS:
        if passed < below:
            number = passed // unit
            return f"{number} {name}{'' if number == 1 else 's'} ago"
    years = passed // (365 * _DAY)
    return f"{years} year{'' if years == 1 else 's'} ago"


def moment(time_ns: int | None) -> str:
    if time_ns is None:
        return ""
    return f"{datetime.fromtimestamp(time_ns / 10**9, UTC):%Y-%m-%d %H:%M} UTC"


def static_file(name: str) -> bytes | None:
    """A file of the package's static folder; None if there is no such."""
    folder = resources.files("sampan.hub.web") / "static"
    known = {entry.name for entry in folder.iterdir()}
    return (folder / name).read_bytes() if name in known else None


def _style_version() -> str:
    """Changes with the style sheet, which browsers may otherwise keep."""
    return hashlib.sha256(static_file("hub.css") or b"").hexdigest()[:10]
