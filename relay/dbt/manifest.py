"""manifest.json, only the fields relay needs. No I/O here.

https://docs.getdbt.com/reference/artifacts/manifest-json. Decoding goes by field, never by
schema version; macros, docs and the parent and child maps are skipped.
"""

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec

from relay.dbt.decoding import Buffer, are_printable, decode, with_printable_texts
from relay.dbt.graph import Edges, walk
from relay.dbt.node_index import NodeIndex
from relay.dbt.nodes import Node
from relay.dbt.runs import REBUILDABLE
from relay.errors import BadArtifact
from relay.notation import printable


class _Metadata(msgspec.Struct, gc=False):
    """About the manifest itself. Before dbt 1.6 it has no project name."""

    project_name: str | None = None


class _Sections(msgspec.Struct, gc=False):
    """The sections with lineage.

    An exposure may depend on a metric, and that on a semantic model.
    """

    nodes: dict[str, Node]
    sources: dict[str, Node] = msgspec.field(default_factory=dict)
    exposures: dict[str, Node] = msgspec.field(default_factory=dict)
    metrics: dict[str, Node] = msgspec.field(default_factory=dict)
    semantic_models: dict[str, Node] = msgspec.field(default_factory=dict)
    saved_queries: dict[str, Node] = msgspec.field(default_factory=dict)
    functions: dict[str, Node] = msgspec.field(default_factory=dict)
    unit_tests: dict[str, Node] = msgspec.field(default_factory=dict)

    @property
    def every_node(self) -> dict[str, Node]:
        """The nodes of all sections, by unique_id."""
        sections = (getattr(self, section) for section in _Sections.__struct_fields__)
        return {key: node for section in sections for key, node in section.items()}


class _Manifest(_Sections, gc=False):
    """The sections and the metadata."""

    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


class _Disabled(msgspec.Struct, gc=False):
    """The disabled nodes; a unique_id may have several. If there are none, it is `[]`."""

    disabled: dict[str, list[msgspec.Raw]] | list[msgspec.Raw] | None = None

    @property
    def every_node(self) -> Iterator[Node]:
        by_name = self.disabled if isinstance(self.disabled, dict) else {"": self.disabled or []}
        return map(_read_node, chain.from_iterable(by_name.values()))


@dataclass(frozen=True)
class Lineage:
    """The project's nodes by unique_id, and their dependencies.

    `project_name` is the project's own package; None if the manifest lacks it.
    """

    nodes: Mapping[str, Node]
    project_name: str | None = None

    @functools.cached_property
    def parents(self) -> Edges:
        """The nodes that each node reads."""
        return {unique_id: node.depends_on.nodes for unique_id, node in self.nodes.items()}

    @functools.cached_property
    def children(self) -> Edges:
        """The nodes that read each node."""
        return _readers(self.nodes.values())

    @functools.cached_property
    def views_on(self) -> Edges:
        """The views and ephemeral models that read each node, so that they show its rows."""
        return _readers(self.views.values())

    @functools.cached_property
    def views(self) -> Mapping[str, Node]:
        """The views and ephemeral models."""
        return {key: node for key, node in self.rebuildable.items() if node.is_view}

    @functools.cached_property
    def rebuildable(self) -> Mapping[str, Node]:
        """The models, seeds and snapshots."""
        return {key: node for key, node in self.nodes.items() if key.startswith(REBUILDABLE)}

    @functools.cached_property
    def index(self) -> NodeIndex:
        """An index of models, seeds and snapshots, which a selector may select."""
        return NodeIndex(self.rebuildable, self.project_name)

    @functools.cached_property
    def whole_index(self) -> NodeIndex:
        """An index of all nodes, which a selector with `+` may start from."""
        return NodeIndex(self.nodes, self.project_name)

    def completed_by(self, other: "Lineage") -> "Lineage":
        """This lineage, with the nodes that only the other one has added."""
        return Lineage({**other.nodes, **self.nodes}, self.project_name or other.project_name)

    def stored_parents(self, models: Collection[str]) -> Iterator[str]:
        """The tables that these models read, directly or through views."""
        reached = walk(models, self.parents, passes_through=self.views.__contains__)
        return (node for node in reached if node not in self.views)

    def models_tested_by(self, test: str) -> frozenset[str]:
        """The nodes a failure of this test counts against.

        The model it is attached to; a singular test has none and counts against every model it
        reads; a unit test reads its model. An unknown test counts against nothing.
        """
        node = self.nodes.get(test)
        if node is None:
            return frozenset()
        if node.attached_node is not None:
            return frozenset({node.attached_node})
        return frozenset(node.depends_on.nodes)

    def is_of_error_severity(self, test: str) -> bool:
        """Whether the test's severity is error; true for an unknown test."""
        node = self.nodes.get(test)
        return node is None or (node.config.severity or "error").lower() != "warn"


def _readers(nodes: Iterable[Node]) -> Edges:
    """Which of these nodes read each node."""
    readers: dict[str, list[str]] = {}
    for node in nodes:
        for parent in node.depends_on.nodes:
            readers.setdefault(parent, []).append(node.unique_id)
    return readers


_decoder = msgspec.json.Decoder(_Manifest)
_part_by_part = msgspec.json.Decoder(dict[str, msgspec.Raw])
_node_decoder = msgspec.json.Decoder(Node)
_plain_decoder = msgspec.json.Decoder(dict[str, Any])
_NULL = b"null"


def read_manifest(body: Buffer) -> Lineage:
    """Decode a manifest.json, its names as `printable` writes them. Raises BadArtifact."""
    manifest = _read(body)
    name = manifest.metadata.project_name
    return Lineage(_with_printable_names(manifest.every_node), name and printable(name))


def read_disabled(body: Buffer) -> Lineage:
    """Decode the disabled nodes, for `relay check` only. Raises BadArtifact."""
    disabled = decode(msgspec.json.Decoder(_Disabled), body)
    nodes = {node.unique_id: node for node in disabled.every_node}
    return Lineage(_with_printable_names(nodes))


def _read(body: Buffer) -> _Manifest:
    try:
        return decode(_decoder, body)
    except BadArtifact as exc:
        try:
            return _read_part_by_part(body)
        except BadArtifact:
            raise exc from None  # it has the position in the file


def _read_part_by_part(body: Buffer) -> _Manifest:
    """A manifest with null for an omitted section or field: slower, and rarely needed."""
    parts = _given(decode(_part_by_part, body))
    sections = {
        section: {key: _read_node(node) for key, node in decode(_part_by_part, nodes).items()}
        for section in _Sections.__struct_fields__
        if (nodes := parts.get(section)) is not None
    }
    if "nodes" not in sections:
        raise BadArtifact("it has no nodes")
    metadata = decode(msgspec.json.Decoder(_Metadata), parts.get("metadata", b"{}"))
    return _Manifest(**sections, metadata=metadata)


def _given(parts: dict[str, msgspec.Raw]) -> dict[str, bytes]:
    return {key: bytes(part) for key, part in parts.items() if bytes(part) != _NULL}


def _read_node(body: msgspec.Raw) -> Node:
    try:
        return decode(_node_decoder, bytes(body))
    except BadArtifact:
        node = _without_nulls(decode(_plain_decoder, bytes(body)))
    try:
        return msgspec.convert(node, Node)
    except msgspec.ValidationError as exc:
        raise BadArtifact(str(exc)) from exc


def _without_nulls(node: dict[str, Any]) -> dict[str, Any]:
    """The same, without the fields that are null, also in what the node depends on."""
    return {
        key: _without_nulls(value) if isinstance(value, dict) else value
        for key, value in node.items()
        if value is not None
    }


def _with_printable_names(nodes: dict[str, Node]) -> dict[str, Node]:
    """The nodes with printable names. Unchanged, and fast, if they are printable already.

    Other texts of a node are only compared, never stored or printed.
    """
    read = chain.from_iterable(node.depends_on.nodes for node in nodes.values())
    tested = (node.attached_node or "" for node in nodes.values())
    if are_printable(chain(nodes, read, tested)):
        return nodes
    return with_printable_texts(dict[str, Node], nodes)
