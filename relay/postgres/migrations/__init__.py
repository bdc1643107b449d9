"""relay's own tables, step by step, by Alembic."""

HEAD = "0022"  # the newest step; a test holds it against the files
# The oldest relay that can work on this schema is the one whose newest step this was. A migration
# that an older relay cannot work with raises it.
COMPATIBLE_WITH = "0008"
