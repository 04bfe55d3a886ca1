"""`sampan hub gc`: one collection, beside a running hub or without one."""

import argparse
import sys

from sampan.errors import SampanError
from sampan.hub.config import BadUsage, add_storage_flags, build, make_parser
from sampan.hub.tables import open_database
from sampan.hub.wiring import make_collector, open_storage
from sampan.lib import log as logs
from sampan.lib.workers import Workers

EXIT_USAGE = 125


def _parse(words: list[str]) -> argparse.Namespace:
    found = make_parser("sampan hub gc", "Remove what no tag of the hub leads to")
    add_storage_flags(found)
    found.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    return found.parse_args(words)


def entry(words: list[str]) -> int:
    """Returns the exit status."""
    try:
        given = _parse(words)
        config = build(given)
        logs.configure(config.log_level)
        database = open_database(config, Workers())
        try:
            collector = make_collector(config, database, open_storage(config))
            found = collector.preview() if given.dry_run else collector.collect()
        finally:
            database.close()
    except BadUsage as error:
        sys.stderr.write(f"{error.message}\n")
        return EXIT_USAGE
    except SampanError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    word = "would remove" if given.dry_run else "removed"
    sys.stdout.write(
        f"{word}: {found.blobs} blobs ({found.size_bytes} bytes), {found.manifests} manifests, "
        f"{found.links} links, {found.uploads} uploads\n"
    )
    return 0
