"""The hub's database: engine, schema, migrations."""
