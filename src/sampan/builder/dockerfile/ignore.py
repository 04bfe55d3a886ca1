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
from collections.abc import Sequence

from sampan.builder.dockerfile.glob import Matcher, matcher
from sampan.errors import InvalidArgument


class BadPattern(InvalidArgument):
    def __init__(self, pattern: str) -> None:
        super().__init__(f'illegal exclusion pattern: "{pattern}"')


class IgnoreRules:
    """Rules of one `.dockerignore`, or the patterns of --exclude.

    Raises BadPattern for patterns that can't be read.
    """

    def __init__(self, text: str = "", *, patterns: Sequence[str] = ()) -> None:
        self._rules: list[tuple[Matcher, bool]] = []
        for line in text.removeprefix("\ufeff").splitlines():
            if line.startswith("#") or not line.strip():
                continue
            self._add(line.strip())
        for pattern in patterns:
            self._add(pattern)

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
            matches = matcher(cleaned, below=True)
        except re.error as error:
            raise BadPattern(pattern) from error
        self._rules.append((matches, keep))

    def __bool__(self) -> bool:
        return bool(self._rules)

    def excluded(self, path: str) -> bool:
        """`path` is relative to the context root, without a leading ./ or /."""
        result = False
        for matches, keep in self._rules:
            if result == keep and matches(path):
                result = not keep
        return result
