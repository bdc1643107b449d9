"""The text of mapping files, for tests that are not about the file's format."""

import yaml


def mapping_text(*entries, **sections):
    """A mapping file with these syncs; `workspaces` and `defaults` are its other sections."""
    return yaml.safe_dump({"version": 1, "syncs": list(entries), **sections}, sort_keys=False)


def sync_entry(sync_id, *depends_on, **keys):
    """A sync as the file lists it; `keys` are the file's own, such as `require="all"`."""
    return {"sync_id": sync_id, "depends_on": list(depends_on), **keys}
