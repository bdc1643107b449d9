"""What manifest.json says beside lineage: relations, access, exposures' `meta`. No I/O here.

A decoding of its own: no decision needs it, so that `Node`, which they hold in memory, stays small.
https://docs.getdbt.com/reference/artifacts/manifest-json
"""

from typing import Any

import msgspec

from relay.dbt.decoding import Buffer, decode


class DescribedConfig(msgspec.Struct, gc=False):
    """A node's configuration."""

    materialized: str | None = None
    access: str | None = None


class DescribedNode(msgspec.Struct, gc=False):
    """A node, or a source."""

    name: str | None = None
    relation_name: str | None = None
    access: str | None = None
    config: DescribedConfig | None = None


class ExposureConfig(msgspec.Struct):
    """An exposure's configuration; `meta` is whatever a person wrote."""

    meta: Any = None


class DescribedExposure(msgspec.Struct):
    """An exposure; `meta` is whatever a person wrote."""

    name: str | None = None
    package_name: str | None = None
    label: str | None = None
    meta: Any = None
    config: ExposureConfig | None = None


class Description(msgspec.Struct):
    """The sections that are read."""

    nodes: dict[str, DescribedNode]
    sources: dict[str, DescribedNode] | None = None
    exposures: dict[str, DescribedExposure] | None = None


_decoder = msgspec.json.Decoder(Description)


def read_description(body: Buffer) -> Description:
    """Decode a manifest.json. Raises BadArtifact."""
    return decode(_decoder, body)
