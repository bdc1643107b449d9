"""One file a step; Alembic reads their order from `down_revision`."""
