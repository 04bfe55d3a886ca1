"""The metadata schema and its migrations.

`PRAGMA user_version` counts the migrations that a file has had. Each runs in a transaction of its
own together with the new count; a file from a newer program is refused.

    documents       one row per container, network, volume, ...: an opaque body by kind and id
    snapshots       layers (committed, named by chain id) and writable layers (active)
    images          image id -> manifest, layers, chain; the config's bytes are in the content store
    image_refs      canonical name:tag -> image
    image_digests   name@digest under which a registry knows the image
"""

import sqlite3

from sampan.errors import Unsupported

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE documents (
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (kind, id)
    ) STRICT;
    CREATE TABLE snapshots (
        key TEXT PRIMARY KEY,
        parent TEXT REFERENCES snapshots (key),
        committed INTEGER NOT NULL,
        directory TEXT NOT NULL UNIQUE,
        size_bytes INTEGER NOT NULL,
        inodes INTEGER NOT NULL,
        created_ns INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX snapshots_by_parent ON snapshots (parent);
    CREATE TABLE images (
        id TEXT PRIMARY KEY,
        manifest BLOB,
        layers BLOB NOT NULL,
        chain_id TEXT,
        size_bytes INTEGER NOT NULL,
        parent TEXT,
        created_ns INTEGER NOT NULL,
        tagged_ns INTEGER NOT NULL,
        built_here INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX images_by_parent ON images (parent);
    CREATE TABLE image_refs (
        reference TEXT PRIMARY KEY,
        image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE
    ) STRICT;
    CREATE INDEX image_refs_by_image ON image_refs (image);
    CREATE TABLE image_digests (
        name TEXT NOT NULL,
        digest TEXT NOT NULL,
        image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
        PRIMARY KEY (name, digest)
    ) STRICT;
    CREATE INDEX image_digests_by_image ON image_digests (image);
    """,
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to the newest version."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise Unsupported(
            f"the data root was written by a newer version (schema {version})",
            hint="upgrade, or use another --data-root",
        )
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE;{script}PRAGMA user_version = {number};COMMIT;")
