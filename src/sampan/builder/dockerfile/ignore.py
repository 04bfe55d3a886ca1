"""`.dockerignore`: which context paths are left out. Not gitignore: no basename matching.

    # comment            only in column 1
    *.log                * and ? stay within one path element
    **/tmp               ** is any number of elements, none included
    sub/                 same as sub; everything below an excluded directory is excluded too
    !keep.log            takes a path back in; the last line that matches decides

Patterns match whole relative paths, case-sensitively. Pure.
"""

import posixpath
import re
from functools import lru_cache

from sampan.errors import InvalidArgument


class BadPattern(InvalidArgument):
    def __init__(self, pattern: str) -> None:
        super().__init__(f'illegal exclusion pattern: "{pattern}"')


class IgnoreRules:
    """Rules of one `.dockerignore`. Raises BadPattern for patterns that can't be read."""

    def __init__(self, text: str = "") -> None:
        self._rules: list[tuple[re.Pattern[str], bool]] = []
        for line in text.removeprefix("\ufeff").splitlines():
            if line.startswith("#") or not line.strip():
                continue
            self._add(line.strip())

    def _add(self, pattern: str) -> None:
        keep = pattern.startswith("!")
        if keep:
            pattern = pattern[1:].strip()
            if not pattern:
                raise BadPattern("!")
        cleaned = posixpath.normpath(pattern)
        cleaned = cleaned.lstrip("/") or "."
        if cleaned == ".":
            return
        try:
            compiled = re.compile(glob_to_regex(cleaned) + r"(?:/.*)?", re.DOTALL)
        except re.error as error:
            raise BadPattern(pattern) from error
        self._rules.append((compiled, keep))

    def __bool__(self) -> bool:
        return bool(self._rules)

    def excluded(self, path: str) -> bool:
        """`path` is relative to the context root, without a leading ./ or /."""
        result = False
        for pattern, keep in self._rules:
            if result == keep and pattern.fullmatch(path):
                result = not keep
        return result


@lru_cache(maxsize=1024)
def glob_to_regex(pattern: str) -> str:
    """Go's filepath.Match plus `**`; classes negate with ^ only. May raise re.error later."""
    out = ""
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            if pattern[position : position + 1] != "*":
                out += "[^/]*"
                continue
            position += 1
            if pattern[position : position + 1] == "/":
                position += 1
                out += "(?:.*/)?"
            else:
                out += ".*"
        elif char == "?":
            out += "[^/]"
        elif char == "[":
            end = pattern.find("]", position + 1)
            if end < 0:
                raise re.error("missing ]", pattern, position)
            out += "[" + pattern[position:end].replace("[", "\\[") + "]"
            position = end + 1
        elif char == "\\" and position < len(pattern):
            out += re.escape(pattern[position])
            position += 1
        else:
            out += re.escape(char)
    return out
