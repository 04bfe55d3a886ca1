#!/usr/bin/env python3
"""Stands in for Elasticsearch 6.1: documents in memory, searched by words.

    GET /                                        version
    PUT, POST, GET, DELETE /index/type[/id]      documents
    PUT, GET, DELETE /index                      indices
    GET, POST /index/_search, /index/_count      match_all, match, multi_match; from, size
    GET /_cluster/health, /_cat/indices

Answers have the shape of 6.1, its refusal of types that begin with "_" among them (6.2 took _doc).
What isn't there is a 400, as Elasticsearch answers to what it can't parse.
"""

import fnmatch
import json
import re
import signal
import sys
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

VERSION = "6.1.1"
ABOUT = {
    "name": "stand-in",
    "cluster_name": "docker-cluster",
    "version": {"number": VERSION, "lucene_version": "7.1.0"},
    "tagline": "You Know, for Search",
}
HEALTH = {"cluster_name": "docker-cluster", "status": "green", "number_of_nodes": 1}
SHARDS = {"total": 5, "successful": 5, "skipped": 0, "failed": 0}

Document = dict[str, Any]


class Refusal(Exception):
    """An error of the interface."""

    def __init__(self, status: int, kind: str, reason: str) -> None:
        super().__init__(reason)
        cause = {"type": kind, "reason": reason}
        self.status = status
        self.answer = {"error": {"root_cause": [cause], **cause}, "status": status}


def words(value: Any) -> list[str]:
    return re.findall(r"\w+", str(value).lower())


def _wanted(query: Document) -> tuple[list[str], list[str], bool]:
    """Patterns of field names, the words to find there, whether all must be found."""
    if len(query) != 1:
        raise Refusal(400, "parsing_exception", "one query is expected")
    ((kind, body),) = query.items()
    if kind == "multi_match":
        fields, spec = body.get("fields") or ["*"], body
    elif kind == "match":
        ((field, spec),) = body.items()
        fields, spec = [field], spec if isinstance(spec, dict) else {"query": spec}
    else:
        raise Refusal(400, "parsing_exception", f"no [query] registered for [{kind}]")
    everything = spec.get("operator", "or").lower() == "and"
    return [one.partition("^")[0] for one in fields], words(spec["query"]), everything


def score(query: Document, source: Document) -> float:
    """How often the words occur; 0 doesn't match."""
    if "match_all" in query:
        return 1.0
    patterns, looked_for, everything = _wanted(query)
    there = [
        word
        for name, value in source.items()
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
        for word in words(value)
    ]
    hits = [there.count(word) for word in looked_for]
    return 0.0 if everything and 0 in hits else float(sum(hits))


class Indices:
    """All documents: index -> id -> document with its `_type`, `_version`, `_source`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._indices: dict[str, dict[str, Document]] = {}

    def answer(
        self, method: str, path: list[str], arguments: dict[str, str], body: Document
    ) -> tuple[int, Any]:
        with self._lock:
            match path:
                case []:
                    return 200, ABOUT
                case ["_cluster", "health"]:
                    return 200, HEALTH
                case ["_cat", "indices"]:
                    return 200, [{"index": name} for name in self._indices]
                case [index, "_search"]:
                    return 200, self._search(index, arguments, body)
                case [index, "_count"]:
                    return 200, {"count": len(self._found(index, body)), "_shards": SHARDS}
                case [index]:
                    return self._index(method, index)
                case [index, kind]:
                    return self._document(method, index, kind, uuid.uuid4().hex[:20], body)
                case [index, kind, identifier]:
                    return self._document(method, index, kind, identifier, body)
            raise Refusal(400, "illegal_argument_exception", "this stand-in has no such path")

    def _index(self, method: str, name: str) -> tuple[int, Document]:
        if method == "PUT":
            if name in self._indices:
                raise Refusal(400, "resource_already_exists_exception", f"index [{name}] exists")
            self._indices[name] = {}
        elif name not in self._indices:
            raise Refusal(404, "index_not_found_exception", "no such index")
        elif method == "DELETE":
            del self._indices[name]
        else:
            return 200, {name: {"aliases": {}, "mappings": {}, "settings": {}}}
        return 200, {"acknowledged": True, "index": name}

    def _document(
        self, method: str, index: str, kind: str, identifier: str, source: Document
    ) -> tuple[int, Document]:
        if kind.startswith("_"):
            reason = f"Document mapping type name can't start with '_', found: [{kind}]"
            raise Refusal(400, "invalid_type_name_exception", reason)
        about = {"_index": index, "_type": kind, "_id": identifier}
        old = self._indices.get(index, {}).get(identifier)
        version = old["_version"] + 1 if old else 1
        if method in ("PUT", "POST"):
            new = {**about, "_version": version, "_source": source}
            self._indices.setdefault(index, {})[identifier] = new
            result = {**about, "_version": version, "result": "updated" if old else "created"}
            return (200 if old else 201), result
        if old is None:
            return 404, {**about, "found": False}
        if method == "DELETE":
            del self._indices[index][identifier]
            return 200, {**about, "_version": version, "result": "deleted"}
        return 200, {**old, "found": True}

    def _found(self, pattern: str, body: Document) -> list[Document]:
        names = fnmatch.filter(self._indices, "*" if pattern == "_all" else pattern)
        if not names and "*" not in pattern:
            raise Refusal(404, "index_not_found_exception", f"no such index [{pattern}]")
        query = body.get("query") or {"match_all": {}}
        hits = [
            {**document, "_score": points}
            for name in names
            for document in self._indices[name].values()
            if (points := score(query, document["_source"]))
        ]
        return sorted(hits, key=lambda hit: -hit["_score"])

    def _search(self, index: str, arguments: dict[str, str], body: Document) -> Document:
        if "q" in arguments:
            body = {**body, "query": {"multi_match": {"query": arguments["q"]}}}
        hits = self._found(index, body)
        first = int(body.get("from", arguments.get("from", 0)))
        page = hits[first : first + int(body.get("size", arguments.get("size", 10)))]
        best = hits[0]["_score"] if hits else None
        found = {"total": len(hits), "max_score": best, "hits": page}
        return {"took": 1, "timed_out": False, "_shards": SHARDS, "hits": found}


INDICES = Indices()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        address = urlsplit(self.path)
        path = [unquote(part) for part in address.path.split("/") if part]
        arguments = {name: values[-1] for name, values in parse_qs(address.query).items()}
        try:
            status, answer = INDICES.answer(
                self.command, path, arguments, json.loads(body) if body else {}
            )
        except Refusal as refusal:
            status, answer = refusal.status, refusal.answer
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            refusal = Refusal(400, "parsing_exception", repr(error))
            status, answer = refusal.status, refusal.answer
        encoded = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(encoded)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _answer


def servers() -> Iterator[ThreadingHTTPServer]:
    for port in (9200, 9300):
        yield ThreadingHTTPServer(("0.0.0.0", port), Handler)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for server in servers():
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"stand-in for Elasticsearch {VERSION}: started", flush=True)
    threading.Event().wait()


main()
