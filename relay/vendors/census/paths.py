"""Where each version of the Census API keeps what: all that differs between v1 and v2.

v2 has been seen verbatim for triggering a sync, cancelling a run, one source and activations
(https://fivetran.com/docs/activations/rest-api/api-reference/migrate-v1-to-v2 has the renamed
ones). The other paths of v2 are those of v1: inferred, because that page does not rename them.
"""

from dataclasses import dataclass
from urllib.parse import quote

from relay.workspaces import V1


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths of one version of the API, `v1` or `v2`."""

    api_version: str

    @property
    def root(self) -> str:
        return f"/api/{self.api_version}"

    @property
    def syncs(self) -> str:
        return f"{self.root}/syncs"

    def sync(self, sync_id: int) -> str:
        return f"{self.syncs}/{sync_id}"

    def trigger(self, sync_id: int) -> str:
        return f"{self.sync(sync_id)}/trigger"

    def sync_runs(self, sync_id: int) -> str:
        return f"{self.sync(sync_id)}/sync_runs"

    def sync_run(self, sync_run_id: int) -> str:
        return f"{self.root}/sync_runs/{sync_run_id}"

    def cancel(self, sync_run_id: int) -> str:
        return f"{self.sync_run(sync_run_id)}/cancel"

    @property
    def sources(self) -> str:
        return f"{self.root}/sources"

    def source(self, source_id: int) -> str:
        return f"{self.sources}/{source_id}"

    def source_objects(self, source_id: int) -> str:
        return f"{self.source(source_id)}/objects"

    def data_sources(self, source_id: int) -> str:
        """What `source_objects` was called until March 2022."""
        return f"{self.source(source_id)}/data_sources"

    def source_model(self, source_id: int, model_id: int) -> str:
        return f"{self.source(source_id)}/models/{model_id}"

    def source_table(self, source_id: int, table_id: int) -> str:
        return f"{self.source(source_id)}/tables/{table_id}"

    @property
    def datasets(self) -> str:
        return f"{self.root}/datasets"

    def dataset(self, dataset_id: int) -> str:
        return f"{self.datasets}/{dataset_id}"

    @property
    def destinations(self) -> str:
        """Destinations are activations in v2, with a text for an id."""
        return f"{self.root}/{'destinations' if self.api_version == V1 else 'activations'}"

    def destination(self, destination_id: int | str) -> str:
        return f"{self.destinations}/{_segment(destination_id)}"

    def destination_objects(self, destination_id: int | str) -> str:
        return f"{self.destination(destination_id)}/objects"

    def destination_object(self, destination_id: int | str, full_name: str) -> str:
        return f"{self.destination_objects(destination_id)}/{_segment(full_name)}"


def _segment(name: int | str) -> str:
    """A name as one segment of a path: an object's name can be JSON, or hold a slash."""
    return quote(str(name), safe="")
