"""The exposures that stand for a sync of Census, and what an exposure may refer to. No I/O here.

A decoding of its own: only `relay mapping` needs it.
https://docs.getdbt.com/docs/build/exposures
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from relay.dbt.decoding import Buffer, decode
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


class _Config(msgspec.Struct, gc=False):
    meta: Any = None
    access: str | None = None


class _Exposure(msgspec.Struct, gc=False):
    name: str = ""
    package_name: str = ""
    label: str | None = None
    meta: Any = None
    config: _Config | None = None

    @property
    def census(self) -> dict[str, Any]:
        """`meta.census`, wherever the project or its version of dbt has put it; else nothing."""
        of_config = self.config.meta if self.config else None
        for meta in (of_config, self.meta):
            census = meta.get("census") if isinstance(meta, dict) else None
            if isinstance(census, dict) and "sync_id" in census:
                return census
        return {}


class _Node(msgspec.Struct, gc=False):
    access: str | None = None
    config: _Config | None = None

    @property
    def is_private(self) -> bool:
        return "private" in (self.access, self.config.access if self.config else None)


class _Manifest(msgspec.Struct, gc=False):
    nodes: dict[str, _Node]
    exposures: dict[str, _Exposure] | None = None


_decoder = msgspec.json.Decoder(_Manifest)


def read_exposures(body: Buffer) -> Exposures:
    """Decode what a manifest.json says of exposures. Raises BadArtifact."""
    manifest = decode(_decoder, body)
    exposures = manifest.exposures or {}
    of_syncs = [_of_a_sync(key, one) for key, one in exposures.items() if one.census]
    generated = {one.unique_id for one in of_syncs if one.is_generated}
    return Exposures(
        of_syncs=tuple(sorted(of_syncs, key=lambda one: one.unique_id)),
        names=frozenset(one.name for key, one in exposures.items() if key not in generated),
        private=frozenset(key for key, node in manifest.nodes.items() if node.is_private),
    )


def _of_a_sync(unique_id: str, exposure: _Exposure) -> SyncExposure:
    census = exposure.census
    written = census["sync_id"]
    workspace = census.get("workspace")
    return SyncExposure(
        unique_id=printable(unique_id),
        name=printable(exposure.name),
        package_name=printable(exposure.package_name),
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
