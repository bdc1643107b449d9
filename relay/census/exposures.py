"""dbt exposures as YAML, one for each mapped sync, so that dbt's lineage shows it. No I/O here.

https://docs.getdbt.com/reference/exposure-properties
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from relay.census.mapping_text import comment, scalar
from relay.dbt.exposures import GENERATED_BY
from relay.dbt.manifest import Lineage
from relay.dbt.nodes import Node
from relay.workspaces import DEFAULT_WORKSPACE, SyncKey, display_id

LONGEST_NAME = 100  # characters of an exposure's name, before the id that makes it unique

_TEMPLATE = re.compile(r"\{(?=[{%#])")
_NO_NAME = re.compile("[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom dbt shows as an exposure's owner; one of both is there."""

    name: str | None
    email: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposedSync:
    """A mapped sync for dbt: the unique_ids that it depends on, and its page in Census."""

    key: SyncKey
    label: str | None
    nodes: tuple[str, ...]
    url: str


def exposures_text(
    syncs: Sequence[ExposedSync],
    lineage: Lineage,
    owner: Owner,
    *,
    taken: Collection[str] = (),
    private: Collection[str] = (),
) -> str:
    """A properties file with an exposure for each sync.

    `taken` are names of other exposures, `private` the models that none may refer to.
    """
    lines = [
        comment("Written by `relay mapping to-exposures`, which writes it anew: do not edit it."),
        "version: 2",
        "",
        "exposures:" if syncs else "exposures: []",
    ]
    for name, sync in zip(_names(syncs, taken), syncs, strict=True):
        lines += _exposure(name, sync, lineage, owner, private)
    return "\n".join([*lines, ""])


def _names(syncs: Sequence[ExposedSync], taken: Collection[str]) -> Iterator[str]:
    """A name for each, of its label; with its id where others would have it too."""
    slugs = list(map(_slug, syncs))
    many = Counter(slugs)
    used = {*taken, *(slug for slug in slugs if many[slug] == 1)}
    for slug, sync in zip(slugs, syncs, strict=True):
        name = slug
        if many[slug] > 1 or slug in taken:
            name = f"{slug}_{_NO_NAME.sub('_', str(display_id(*sync.key)).lower())}"
            while name in used:
                name = f"{name}_sync"
            used.add(name)
        yield name


def _slug(sync: ExposedSync) -> str:
    words = _NO_NAME.sub("_", (sync.label or "").lower())[:LONGEST_NAME].strip("_")
    return words if re.match("[a-z]", words) else f"census_{words or sync.key[1]}"


def _exposure(
    name: str, sync: ExposedSync, lineage: Lineage, owner: Owner, private: Collection[str]
) -> Iterator[str]:
    workspace, sync_id = sync.key
    yield f"  - name: {scalar(name)}"
    yield f"    label: {_text(sync.label or f'Census sync {sync_id}')}"
    yield "    type: application"
    yield f"    description: {_text(f'Census sync {display_id(*sync.key)}.')}"
    yield f"    url: {_text(sync.url)}"
    yield "    owner:"
    yield from (f"      {line}" for line in _owner(owner))
    yield "    config:"
    yield "      meta:"
    yield "        census:"
    yield f"          sync_id: {sync_id}"
    if workspace != DEFAULT_WORKSPACE:
        yield f"          workspace: {scalar(workspace)}"
    yield f"          generated_by: {GENERATED_BY}"
    yield from _depends_on(sync.nodes, lineage, private)


def _owner(owner: Owner) -> Iterator[str]:
    if owner.name:
        yield f"name: {_text(owner.name)}"
    if owner.email:
        yield f"email: {_text(owner.email)}"


def _depends_on(
    unique_ids: Iterable[str], lineage: Lineage, private: Collection[str]
) -> Iterator[str]:
    nodes = [lineage.nodes[unique_id] for unique_id in unique_ids]
    named = [node for node in nodes if node.unique_id not in private]
    yield "    depends_on:" if named else "    depends_on: []"
    for node in nodes:
        if node in named:
            yield f"      - {ref(node, lineage.project_name)}"
        else:
            about = comment(f"{node.unique_id} is private: no exposure may refer to it")
            yield f"      {about}"


def ref(node: Node, project_name: str | None) -> str:
    """How the project refers to a node: with its package where that is another one."""
    package = [] if node.package_name == project_name else [_quoted(node.package_name)]
    version = [] if node.version is None else [f"v={_version(node.version)}"]
    return f"ref({', '.join([*package, _quoted(node.name), *version])})"


def _quoted(name: str) -> str:
    return f"'{name}'"


def _text(text: str) -> str:
    """A text that is no template: dbt renders what stands in properties files."""
    return scalar(_TEMPLATE.sub("{ ", text))


def _version(version: str | float) -> str:
    return _quoted(version) if isinstance(version, str) else str(version)
