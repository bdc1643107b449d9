"""Which nodes the selectors of `depends_on` select. No I/O here.

Checked against dbt itself: tests/dbt_project/selections.json has the output of `dbt ls --select`.
"""

from collections.abc import Collection, Iterable

from relay.dbt.graph import walk
from relay.dbt.manifest import Lineage
from relay.dbt.node_index import NodeIndex
from relay.dbt.runs import REBUILDABLE
from relay.dbt.selectors import Selector, Term


class Selection:
    """The nodes that a run touched, to select from.

    `executed` are the executed nodes, `views` the views on them. A name selects executed nodes, and
    a view only if no executed node has that name: so a sync that names executed nodes is decided
    the same with a lineage and without. `index` has the nodes that a selector may select; None for
    models, seeds and snapshots.
    """

    def __init__(
        self,
        executed: Collection[str],
        lineage: Lineage | None = None,
        views: Collection[str] = (),
        index: NodeIndex | None = None,
    ) -> None:
        self._nodes = frozenset(executed) | frozenset(views)
        self._by_name = _unique_ids_by_name(executed)
        self._lineage = lineage or Lineage({})
        self._index = index or self._lineage.index
        self._found: dict[str, frozenset[str]] = {}  # by selector

    def selected(self, selectors: Iterable[Selector]) -> frozenset[str]:
        """The nodes that at least one of the selectors selects.

        Without a lineage only names and unique_ids select anything.
        """
        if not self._nodes:
            return frozenset()
        first, *others = map(self.selected_by, selectors)
        return first.union(*others) if others else first

    def selected_by(self, selector: Selector) -> frozenset[str]:
        """The nodes that all terms of the selector select."""
        found = self._found.get(selector.text)
        if found is None:
            found = self._nodes.intersection(*map(self._select, selector.terms))
            self._found[selector.text] = found
        return found

    def selects_for_certain(self, selector: Selector) -> bool:
        """Whether it selects executed nodes, each by its full name or unique_id.

        `rates` also selects `model.shop.rates.v2`, which is a version of it, or a model named
        `rates.v2`: only the manifest distinguishes them.
        """
        found = self.selected_by(selector)
        words = {term.value for term in selector.terms if term.is_a_name}
        return bool(found) and all(not words.isdisjoint(_whole_names(node)) for node in found)

    def _select(self, term: Term) -> Iterable[str]:
        if term.is_a_name and (executed := self._executed_as(term.value)):
            return executed
        if term.reaches:
            return self._around(term)
        if term.method == "exposure":
            return self._behind_exposures(term)
        return self._index.find(term.method, term.value)

    def _executed_as(self, name: str) -> list[str]:
        """The executed nodes of that name, checked against the lineage if they are in it."""
        known = self._lineage.nodes
        looking = self._by_name.get(name, ())
        return [
            unique_id
            for unique_id in looking
            if unique_id not in known or name in known[unique_id].names
        ]

    def _around(self, term: Term) -> set[str]:
        start = self._start(term)
        found = set(start)
        if term.parents:
            found.update(walk(start, self._lineage.parents, levels=term.parents))
        if term.children:  # edges in this direction take time to build
            found.update(walk(start, self._lineage.children, levels=term.children))
        return found

    def _behind_exposures(self, term: Term) -> Iterable[str]:
        """The nodes that exposures depend on, directly or through metrics and the like."""
        return walk(
            self._start(term),
            self._lineage.parents,
            passes_through=lambda node: not node.startswith(REBUILDABLE),
        )

    def _start(self, term: Term) -> Collection[str]:
        """The start nodes of a term with `+`: any nodes, but a name means a model first."""
        lineage = self._lineage
        named = lineage.index.find(term.method, term.value) if term.is_named else ()
        return named or lineage.whole_index.find(term.method, term.value)


# Names, without a manifest


def _unique_ids_by_name(unique_ids: Iterable[str]) -> dict[str, list[str]]:
    """Nodes by unique_id and by every possible name, with the version and without.

    run_results.json has no names. A unique_id ends in the node's name, so every suffix that may be
    the name is included.
    """
    found: dict[str, list[str]] = {}
    for unique_id in unique_ids:
        if unique_id.startswith(REBUILDABLE):
            _, name = _whole_names(unique_id)
            found[unique_id] = [unique_id]
            found.setdefault(name, []).append(unique_id)
            for word in _without_version(unique_id, name) if ".v" in name else ():
                found.setdefault(word, []).append(unique_id)
    return found


def _whole_names(unique_id: str) -> tuple[str, str]:
    return unique_id, unique_id.split(".", 2)[-1]


def _without_version(unique_id: str, name: str) -> tuple[str, ...]:
    before, _, version = name.rpartition(".v")
    if not version or ("." in version and not _is_decimal(version)):
        return ()
    # dbt accepts `customers_v2` for `customers.v2`.
    return unique_id.removesuffix(f".v{version}"), before, f"{before}_v{version}"


def _is_decimal(version: str) -> bool:
    return version.replace(".", "", 1).isdecimal()
