"""What `flask db ...` runs: migrations against the application's own database."""

from logging.config import fileConfig

from alembic import context
from flask import current_app

fileConfig(context.config.config_file_name, disable_existing_loggers=False)
migrate = current_app.extensions["migrate"]
database = migrate.db


def run():
    engine = getattr(database, "engine", None) or database.get_engine()
    with engine.connect() as connection:
        context.configure(
            connection=connection, target_metadata=database.metadata, **migrate.configure_args
        )
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    context.configure(
        url=current_app.config["SQLALCHEMY_DATABASE_URI"],
        target_metadata=database.metadata,
        literal_binds=True,
    )
    with context.begin_transaction():
        context.run_migrations()
else:
    run()
