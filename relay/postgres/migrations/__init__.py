"""relay's own tables, step by step, by Alembic."""

HEAD = "0015"  # the newest step; a test holds it against the files
