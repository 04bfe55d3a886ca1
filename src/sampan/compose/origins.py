"""Where things come from: which file and line has a key, and what to tell the user on the way."""

from sampan.compose.failures import BadKey, ComposeError
from sampan.compose.yamltree import Document


class Notes:
    """The documents read so far and the warnings they gave rise to, each once, in order."""

    def __init__(self) -> None:
        self._documents: list[Document] = []
        self._warnings: dict[str, None] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self._warnings)

    def add(self, document: Document) -> None:
        self._documents.append(document)

    def warn(self, text: str) -> None:
        self._warnings.setdefault(text)

    def located(self, error: BadKey, prefix: str = "", file: str = "") -> ComposeError:
        """The error with file and line: of the last document that has the longest part of it.

        Its hint are the warnings so far: a variable that isn't set is often the cause.
        """
        found = self._located(error, prefix, file)
        found.hint = "\n".join(self._warnings)
        return found

    def _located(self, error: BadKey, prefix: str, file: str) -> ComposeError:
        for length in range(len(error.path), 0, -1):
            start = error.path[:length]
            for document in reversed(self._documents):
                if start in document.marks and file in ("", document.file):
                    return error.located(document.file, document.marks[start], prefix)
        last = self._documents[-1].file if self._documents else ""
        return error.located(file or last, 0, prefix)
