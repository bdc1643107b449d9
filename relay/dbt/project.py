"""A dbt project as its manifests describe it, to join it with what Census has. No I/O here."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

from relay.dbt.decoding import Buffer
from relay.dbt.description import read_description
from relay.dbt.exposures import Exposures, exposures_of
from relay.dbt.manifest import Lineage, read_manifest
from relay.dbt.relations import Relations, relations_of


@dataclass(frozen=True)
class Project:
    """The nodes of a project, what they build, and its exposures that stand for syncs."""

    lineage: Lineage
    relations: Relations
    exposures: Exposures

    @classmethod
    def together(cls, several: Iterable["Project"]) -> "Project":
        """Those of several manifests as one, the first before the others where they differ."""
        parts = tuple(several)
        return cls(
            reduce(Lineage.completed_by, (part.lineage for part in parts)),
            Relations.together(part.relations for part in parts),
            Exposures.together(part.exposures for part in parts),
        )

    def selector_of(self, unique_id: str) -> str:
        """What selects this node alone in a mapping file: its name, where that is enough.

        The unique_id where another node has the name too, or the model has versions.
        """
        node = self.lineage.nodes.get(unique_id)
        if node is None or node.version is not None:
            return unique_id
        return (
            node.name
            if list(self.lineage.index.find("name", node.name)) == [unique_id]
            else unique_id
        )


def read_project(body: Buffer, *, environment_id: int | None = None) -> Project:
    """Decode a manifest.json twice, each time for other fields. Raises BadArtifact.

    `environment_id` is the dbt environment whose run wrote it, None if that is not known.
    """
    description = read_description(body)
    return Project(
        read_manifest(body),
        relations_of(description, environment_id=environment_id),
        exposures_of(description),
    )
