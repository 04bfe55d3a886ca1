"""All tables of the hub, and opening its database: what needs no web server around it."""

from sampan.hub.accounts import schema as accounts
from sampan.hub.automation import schema as automation
from sampan.hub.config import Config
from sampan.hub.db import schema
from sampan.hub.db.engine import Database
from sampan.hub.db.migrations import Part, migrate
from sampan.lib.workers import Workers

# in the order of their references; other parts of the hub add theirs at the end
PARTS: tuple[Part, ...] = (schema.PART, accounts.PART, automation.PART)


def open_database(config: Config, workers: Workers) -> Database:
    """Connected and brought to this program's schema. Blocks."""
    config.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database(config.database, workers)
    try:
        migrate(database, PARTS)
    except BaseException:
        database.close()
        raise
    return database
