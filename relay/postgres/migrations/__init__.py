"""relay's own tables, step by step, by Alembic."""

HEAD = "0022"  # the newest step; a test holds it against the files
