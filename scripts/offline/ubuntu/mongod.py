#!/usr/bin/env python3
"""Stands in for MongoDB: its wire protocol in front of mongomock, its data in --dbpath.

    client -- OP_MSG (or OP_QUERY, which asks who we are) --> Connection -> Commands -> mongomock
                                                                               |
                                         dbpath/database.collection.bson <-- after every write
    browser -- HTTP, 1000 ports above (--httpinterface; --rest adds JSON) --> Page --> Commands

A cursor is one batch: everything found is in the first answer. A message is a header of four
32-bit numbers (length, request, response to, opcode) and its body.
"""

import argparse
import html
import signal
import socket
import socketserver
import struct
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import bson
import mongomock
from bson import json_util

VERSION = "3.2.22"
OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
NEWEST_WIRE_VERSION = 21  # what today's drivers want to see; they use little of it

Document = dict[str, Any]


class Commands:
    """What the server can do; one at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._client = mongomock.MongoClient()
        for path in folder.glob("*.bson"):
            database, _, name = path.stem.partition(".")
            if found := bson.decode_all(path.read_bytes()):
                self._client[database][name].insert_many(found)
        self._known: dict[str, Callable[[Any, Document], Document]] = {
            "hello": self._hello,
            "ismaster": self._hello,
            "buildinfo": lambda *_: {"version": VERSION, "versionArray": [3, 2, 22, 0]},
            "ping": lambda *_: {},
            "endsessions": lambda *_: {},
            "insert": self._insert,
            "find": self._find,
            "update": self._update,
            "delete": self._delete,
            "count": self._count,
            "distinct": self._distinct,
            "aggregate": self._aggregate,
            "createindexes": self._create_indexes,
            "drop": self._drop,
            "listdatabases": self._list_databases,
            "listcollections": self._list_collections,
        }

    def run(self, database: str, command: Document) -> Document:
        name = next(iter(command))
        act = self._known.get(name.lower())
        if act is None:
            reason = f"no such command: '{name}'"
            return {"ok": 0.0, "errmsg": reason, "code": 59, "codeName": "CommandNotFound"}
        try:
            with self._lock:
                return {**act(self._client[database], command), "ok": 1.0}
        except Exception as error:  # noqa: BLE001 - what mongomock can't do is the client's to know
            return {"ok": 0.0, "errmsg": str(error), "code": 2, "codeName": "BadValue"}

    def _hello(self, _: Any, command: Document) -> Document:
        primary = "isWritablePrimary" if "hello" in command else "ismaster"
        return {
            primary: True,
            "helloOk": True,
            "maxBsonObjectSize": 16 << 20,
            "maxMessageSizeBytes": 48_000_000,
            "maxWriteBatchSize": 100_000,
            "minWireVersion": 0,
            "maxWireVersion": NEWEST_WIRE_VERSION,
            "readOnly": False,
        }

    def _insert(self, database: Any, command: Document) -> Document:
        collection, failures, done = database[command["insert"]], [], 0
        for index, document in enumerate(command["documents"]):
            try:
                collection.insert_one(document)
                done += 1
            except mongomock.DuplicateKeyError as error:
                failures.append({"index": index, "code": 11000, "errmsg": str(error)})
                if command.get("ordered", True):
                    break
        self._save(collection)
        return {"n": done, **({"writeErrors": failures} if failures else {})}

    def _find(self, database: Any, command: Document) -> Document:
        found = database[command["find"]].find(
            command.get("filter"),
            command.get("projection"),
            skip=command.get("skip", 0),
            limit=abs(command.get("limit", 0)),
            sort=list(command.get("sort", {}).items()) or None,
        )
        return _cursor(database, command["find"], list(found))

    def _update(self, database: Any, command: Document) -> Document:
        collection, matched, modified, upserted = database[command["update"]], 0, 0, []
        for index, one in enumerate(command["updates"]):
            change = one["u"]
            if not any(key.startswith("$") for key in change):
                act = collection.replace_one
            else:
                act = collection.update_many if one.get("multi") else collection.update_one
            result = act(one["q"], change, upsert=one.get("upsert", False))
            matched += result.matched_count
            modified += result.modified_count
            if result.upserted_id is not None:
                upserted.append({"index": index, "_id": result.upserted_id})
        self._save(collection)
        more = {"upserted": upserted} if upserted else {}
        return {"n": matched + len(upserted), "nModified": modified, **more}

    def _delete(self, database: Any, command: Document) -> Document:
        collection, done = database[command["delete"]], 0
        for one in command["deletes"]:
            act = collection.delete_one if one.get("limit") else collection.delete_many
            done += act(one["q"]).deleted_count
        self._save(collection)
        return {"n": done}

    def _count(self, database: Any, command: Document) -> Document:
        return {"n": database[command["count"]].count_documents(command.get("query") or {})}

    def _distinct(self, database: Any, command: Document) -> Document:
        collection = database[command["distinct"]]
        return {"values": collection.distinct(command["key"], command.get("query"))}

    def _aggregate(self, database: Any, command: Document) -> Document:
        name = command["aggregate"]
        return _cursor(database, name, list(database[name].aggregate(command["pipeline"])))

    def _create_indexes(self, database: Any, command: Document) -> Document:
        for one in command["indexes"]:
            database[command["createIndexes"]].create_index(
                list(one["key"].items()), name=one["name"], unique=one.get("unique", False)
            )
        return {}

    def _drop(self, database: Any, command: Document) -> Document:
        collection = database[command["drop"]]
        collection.drop()
        self._path(collection).unlink(missing_ok=True)
        return {}

    def _list_databases(self, *_: Any) -> Document:
        names = self._client.list_database_names()
        return {"databases": [{"name": name, "sizeOnDisk": 4096} for name in names]}

    def _list_collections(self, database: Any, _: Document) -> Document:
        names = database.list_collection_names()
        rows = [{"name": name, "type": "collection", "options": {}} for name in names]
        return _cursor(database, "$cmd.listCollections", rows)

    def _path(self, collection: Any) -> Path:
        return self._folder / f"{collection.database.name}.{collection.name}.bson"

    def _save(self, collection: Any) -> None:
        path = self._path(collection)
        part = path.with_suffix(".part")
        part.write_bytes(b"".join(bson.encode(one) for one in collection.find()))
        part.replace(path)


def _cursor(database: Any, name: str, found: list[Document]) -> Document:
    return {"cursor": {"id": 0, "ns": f"{database.name}.{name}", "firstBatch": found}}


class Connection(socketserver.StreamRequestHandler):
    commands: Commands
    disable_nagle_algorithm = True

    def handle(self) -> None:
        while len(header := self.rfile.read(16)) == 16:
            length, request, _, opcode = struct.unpack("<iiii", header)
            body = self.rfile.read(length - 16)
            if opcode == OP_MSG:
                answer = self._message(body)
            elif opcode == OP_QUERY:
                answer = self._query(body)
            else:
                return
            if answer:
                kind = OP_MSG if opcode == OP_MSG else OP_REPLY
                head = struct.pack("<iiii", 16 + len(answer), 0, request, kind)
                self.wfile.write(head + answer)

    def _message(self, body: bytes) -> bytes:
        """Flags, then sections: one document (0), and lists of documents by name (1)."""
        (flags,) = struct.unpack_from("<I", body)
        command, lists = {}, {}
        at, end = 4, len(body) - (4 if flags & 1 else 0)  # a checksum ends the message
        while at < end:
            (size,) = struct.unpack_from("<i", body, at + 1)
            section = body[at + 1 : at + 1 + size]
            if body[at] == 0:
                command = bson.decode(section)
            else:
                name, _, documents = section[4:].partition(b"\0")
                lists[name.decode()] = bson.decode_all(documents)
            at += 1 + size
        answer = self.commands.run(command.get("$db", "test"), {**command, **lists})
        nothing_wanted = flags & 2
        return b"" if nothing_wanted else struct.pack("<IB", 0, 0) + bson.encode(answer)

    def _query(self, body: bytes) -> bytes:
        """Flags, "database.$cmd", two numbers, the command: how drivers begin."""
        name, _, rest = body[4:].partition(b"\0")
        (size,) = struct.unpack_from("<i", rest, 8)
        command = bson.decode(rest[8 : 8 + size])
        answer = self.commands.run(name.decode().partition(".")[0], command)
        return struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(answer)


class Page(BaseHTTPRequestHandler):
    """What mongod before 3.6 shows in a browser; /DATABASE/COLLECTION/ with --rest."""

    commands: Commands
    rest = False

    def do_GET(self) -> None:
        kind = "text/html"
        words = self.path.strip("/").split("/")
        if words == [""]:
            body = self._status()
        elif self.rest and len(words) == 2:
            kind, body = "application/json", self._rows(*words)
        else:
            self.send_error(404)
            return
        content = body.encode()
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _status(self) -> str:
        found = self.commands.run("admin", {"listDatabases": 1})["databases"]
        title = f"mongod {html.escape(socket.gethostname())}"
        rows = "".join(f"<li>{html.escape(one['name'])}</li>" for one in found)
        return (
            f"<!doctype html><title>{title}</title><h1>{title}</h1>"
            f"<p>db version v{VERSION} (stand-in)</p><p>databases:</p><ul>{rows}</ul>"
        )

    def _rows(self, database: str, collection: str) -> str:
        found = self.commands.run(database, {"find": collection, "filter": {}})
        rows = found["cursor"]["firstBatch"]
        return json_util.dumps({"offset": 0, "rows": rows, "total_rows": len(rows)})

    def log_message(self, *_: object) -> None:
        return


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


def main() -> None:
    parser = argparse.ArgumentParser(prog="mongod")
    parser.add_argument("--dbpath", type=Path, default=Path("/data/db"))
    parser.add_argument("--port", type=int, default=27017)
    parser.add_argument("--bind_ip", default="0.0.0.0")
    parser.add_argument("--version", action="version", version=f"db version v{VERSION}")
    for name in ("--httpinterface", "--rest"):
        parser.add_argument(name, action="store_true")
    options = parser.parse_args()
    if not options.dbpath.is_dir():
        sys.exit(f"exception in initAndListen: Data directory {options.dbpath} not found")
    Connection.commands = Page.commands = Commands(options.dbpath)
    Page.rest = options.rest
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Server((options.bind_ip, options.port), Connection) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        if options.rest or options.httpinterface:
            pages = ThreadingHTTPServer((options.bind_ip, options.port + 1000), Page)
            threading.Thread(target=pages.serve_forever, daemon=True).start()
            print(f"admin web console waiting on port {options.port + 1000}", flush=True)
        print(f"stand-in for MongoDB: waiting for connections on port {options.port}", flush=True)
        threading.Event().wait()


main()
