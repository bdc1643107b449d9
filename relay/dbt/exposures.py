"""The exposures that stand for a sync of Census, and what an exposure may refer to. No I/O here.

https://docs.getdbt.com/docs/build/exposures
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from relay.dbt.description import DescribedExposure, DescribedNode, Description
from relay.notation import LARGEST_ID, printable

GENERATED_BY = "relay"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncExposure:
    """An exposure with `meta.census.sync_id`.

    `sync_id` is None where that is no id: `written` is then what stands there instead.
    `is_generated` says that `relay mapping to-exposures` wrote it.
    """

    unique_id: str
    name: str
    package_name: str
    label: str | None
    sync_id: int | None
    written: str
    workspace: str | None
    is_generated: bool


@dataclass(frozen=True, slots=True)
class Exposures:
    """What a manifest says of exposures.

    `names` are those of the project's own exposures that relay did not write, `private` the
    unique_ids of models that no exposure may refer to.
    """

    of_syncs: tuple[SyncExposure, ...]
    names: frozenset[str]
    private: frozenset[str]

    @classmethod
    def together(cls, several: Iterable["Exposures"]) -> "Exposures":
        """Those of several manifests as one; of the same exposure, what the first says."""
        parts = tuple(several)
        of_syncs: dict[str, SyncExposure] = {}
        for part in parts:
            for one in part.of_syncs:
                of_syncs.setdefault(one.unique_id, one)
        return cls(
            tuple(of_syncs.values()),
            frozenset().union(*(part.names for part in parts)),
            frozenset().union(*(part.private for part in parts)),
        )


def exposures_of(description: Description) -> Exposures:
    """What a manifest says of exposures."""
    exposures = description.exposures or {}
    of_syncs = [_of_a_sync(key, one) for key, one in exposures.items() if _census_of(one)]
    generated = {one.unique_id for one in of_syncs if one.is_generated}
    return Exposures(
        of_syncs=tuple(sorted(of_syncs, key=lambda one: one.unique_id)),
        names=frozenset(one.name or "" for key, one in exposures.items() if key not in generated),
        private=frozenset(key for key, node in description.nodes.items() if _is_private(node)),
    )


def _census_of(exposure: DescribedExposure) -> dict[str, Any]:
    """`meta.census`, wherever the project or its version of dbt has put it; else nothing."""
    of_config = exposure.config.meta if exposure.config else None
    for meta in (of_config, exposure.meta):
        census = meta.get("census") if isinstance(meta, dict) else None
        if isinstance(census, dict) and "sync_id" in census:
            return census
    return {}


def _is_private(node: DescribedNode) -> bool:
    return "private" in (node.access, node.config.access if node.config else None)


def _of_a_sync(unique_id: str, exposure: DescribedExposure) -> SyncExposure:
    census = _census_of(exposure)
    written = census["sync_id"]
    workspace = census.get("workspace")
    return SyncExposure(
        unique_id=printable(unique_id),
        name=printable(exposure.name or ""),
        package_name=printable(exposure.package_name or ""),
        label=exposure.label,
        sync_id=_id_in(written),
        written=printable(str(written)),
        workspace=printable(workspace) if isinstance(workspace, str) else None,
        is_generated=census.get("generated_by") == GENERATED_BY,
    )


def _id_in(written: object) -> int | None:
    """The id, also as digits in quotation marks; None for anything else."""
    text = str(written) if isinstance(written, int | str) else ""
    is_id = text.isascii() and text.isdigit() and 0 < int(text[:20]) <= LARGEST_ID
    return int(text) if is_id and not isinstance(written, bool) else None
