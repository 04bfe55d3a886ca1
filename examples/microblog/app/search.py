"""Full text search of posts: Elasticsearch over HTTP, or nothing.

The index is a convenience: when it can't be reached, posts are written all the same, and searches
find nothing. `flask reindex` fills it again from the database.
"""

import json
import logging
from urllib.error import URLError
from urllib.request import Request, urlopen

log = logging.getLogger(__name__)
TIMEOUT_S = 5


def make_index(url):
    return Elasticsearch(url, "post") if url else NoIndex()


class NoIndex:
    enabled = False

    def add(self, identifier, body):
        pass

    def find(self, text, page, per_page):
        return [], 0


class Elasticsearch:
    """One index; documents are {"body": text}."""

    enabled = True

    def __init__(self, url, index):
        self._url = url.rstrip("/")
        self._index = "/" + index
        self._type = None

    def add(self, identifier, body):
        path = "{}/{}/{}?refresh=true".format(self._index, self._document_type(), identifier)
        self._ask("PUT", path, {"body": body})

    def find(self, text, page, per_page):
        """Ids of one page, best first, and how many there are in all."""
        query = {
            "query": {"multi_match": {"query": text, "fields": ["*"]}},
            "from": (page - 1) * per_page,
            "size": per_page,
        }
        hits = (self._ask("POST", self._index + "/_search", query) or {}).get("hits", {})
        total = hits.get("total", 0)
        if isinstance(total, dict):  # since Elasticsearch 7
            total = total["value"]
        return [int(hit["_id"]) for hit in hits.get("hits", ())], total

    def _document_type(self):
        """`_doc` from 6.2 on, where 8 knows no other; before that a name may not begin with _."""
        if self._type is None:
            about = self._ask("GET", "/")
            if about is None:  # ask again next time
                return "_doc"
            version = [int(part) for part in about["version"]["number"].split(".")[:2]]
            self._type = "_doc" if version >= [6, 2] else "post"
        return self._type

    def _ask(self, method, path, document=None):
        request = Request(
            self._url + path,
            data=None if document is None else json.dumps(document).encode(),
            method=method,
            headers={"Content-Type": "application/json"},
        )
        try:
            with urlopen(request, timeout=TIMEOUT_S) as answer:
                return json.load(answer)
        except (URLError, OSError, ValueError) as error:
            log.warning("search index: %s", error)
            return None
