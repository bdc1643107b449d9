"""relay's own tables, step by step, by Alembic."""

HEAD = "0021"  # the newest step; a test holds it against the files
