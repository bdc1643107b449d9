"""Which nodes and tests a step's command may have executed, by its arguments. No I/O here.

The result may have too many nodes, never too few: what relay cannot resolve (`state:`,
`--selector`) selects everything and excludes nothing.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace

from relay.dbt.manifest import Lineage
from relay.dbt.nodes import Node
from relay.dbt.runs import Step, split_option
from relay.dbt.selection import Selection
from relay.dbt.selectors import RESOURCE_TYPES, Selector, Term, read_selector

_SELECTING = frozenset({"--select", "-s", "--models", "-m", "--model"})
_EXCLUDING = frozenset({"--exclude"})
_FROM_A_FILE = frozenset({"--selector"})  # dbt then ignores the other two
_INDIRECT = frozenset({"--indirect-selection"})
_OF_KINDS = frozenset({"--resource-type", "--resource-types"})
_NOT_OF_KINDS = frozenset({"--exclude-resource-type", "--exclude-resource-types"})

_STORED = frozenset({"model", "seed", "snapshot"})
_TESTS = frozenset({"test", "unit_test"})
_KINDS_OF_COMMAND = {
    "run": frozenset({"model"}),
    "seed": frozenset({"seed"}),
    "snapshot": frozenset({"snapshot"}),
    "clone": _STORED,
    "test": _TESTS,
}


def may_have_executed(step: Step, lineage: Lineage) -> frozenset[str]:
    """The models, seeds and snapshots that the command selects."""
    kinds, nodes = _kinds(step), lineage.nodes
    chosen = (_selected(step, lineage) & lineage.rebuildable.keys()) - _excluded(step, lineage)
    return frozenset(
        unique_id
        for unique_id in chosen
        if _kind(unique_id) in kinds and nodes[unique_id].config.materialized != "ephemeral"
    )


def may_have_tested(step: Step, lineage: Lineage) -> frozenset[str]:
    """The tests and unit tests that the command selects.

    A test is selected with one of the nodes that it reads, and excluded with all of them.
    https://docs.getdbt.com/reference/node-selection/test-selection-examples
    """
    kinds = _kinds(step) & _TESTS
    selected, excluded = _selected(step, lineage), _excluded(step, lineage)
    tests = (node for unique_id, node in lineage.nodes.items() if _kind(unique_id) in kinds)
    left_alone = () if "empty" in _values(step, _INDIRECT) else excluded
    return frozenset(
        test.unique_id
        for test in tests
        if not selected.isdisjoint((test.unique_id, *_read_by(test)))
        and test.unique_id not in excluded
        and not _reads_only(test, left_alone)
    )


def _reads_only(test: Node, nodes: Collection[str]) -> bool:
    read = _read_by(test)
    return bool(read) and all(node in nodes for node in read)


def _read_by(test: Node) -> tuple[str, ...]:
    return (*test.depends_on.nodes, *filter(None, (test.attached_node,)))


def _kind(unique_id: str) -> str:
    return unique_id.partition(".")[0]


def _kinds(step: Step) -> frozenset[str]:
    """The kinds of node that the command executes."""
    kinds = _KINDS_OF_COMMAND.get(step.dbt_command or "", _STORED | _TESTS)
    named = frozenset(_values(step, _OF_KINDS))
    if named and named <= RESOURCE_TYPES:  # not `all`, nor a type that relay does not know
        kinds &= named
    return kinds.difference(_values(step, _NOT_OF_KINDS))


def _selected(step: Step, lineage: Lineage) -> frozenset[str]:
    """The selected nodes: all, if there is no selector or relay cannot resolve one."""
    words = list(_values(step, _SELECTING))
    try:
        selectors = [_with_folders(read_selector(word)) for word in words]
    except ValueError:
        selectors = []
    if not selectors or any(_values(step, _FROM_A_FILE)):
        return frozenset(lineage.nodes)
    return _everything(lineage).selected(selectors)


def _excluded(step: Step, lineage: Lineage) -> frozenset[str]:
    """The nodes that are certainly excluded: an unresolvable selector excludes nothing."""
    if any(_values(step, _FROM_A_FILE)):
        return frozenset()
    selectors = (
        selector
        for word in _values(step, _EXCLUDING)
        if (selector := _read_as_dbt(word, lineage)) is not None
    )
    found = map(_everything(lineage).selected_by, selectors)
    return frozenset[str]().union(*found)


def _everything(lineage: Lineage) -> Selection:
    return Selection((), lineage, views=lineage.nodes, index=lineage.whole_index)


def _values(step: Step, options: frozenset[str]) -> Iterator[str]:
    """The values of an option, which may have several: `--select customers orders`."""
    takes = False
    for word in step.words:
        if word.startswith("-"):
            option, value = split_option(word)
            takes = option in options
            if takes and value is not None:
                yield from value.split()
        elif takes:
            yield from word.split()


def _with_folders(selector: Selector) -> Selector:
    """In dbt a bare name may also be a package or a folder."""
    return _replaced(selector, frozenset({"name"}))


def _read_as_dbt(word: str, lineage: Lineage) -> Selector | None:
    """A selector that selects at most what dbt selects with this text, or None.

    dbt does not support unique_ids as selectors.
    """
    try:
        selector = read_selector(word)
    except ValueError:
        return None
    if not all(_means_the_same_to_dbt(term, lineage) for term in selector.terms):
        return None
    return _replaced(selector, frozenset({"name", "unique_id"}))


def _means_the_same_to_dbt(term: Term, lineage: Lineage) -> bool:
    """False for an exposure without `+`, and for a path in an installed package."""
    if term.method == "exposure":
        return term.reaches
    if term.method == "path":
        found = lineage.whole_index.find(term.method, term.value)
        return all(lineage.nodes[one].package_name == lineage.project_name for one in found)
    return True


def _replaced(selector: Selector, methods: frozenset[str]) -> Selector:
    terms = (
        replace(term, method="fqn") if term.method in methods else term for term in selector.terms
    )
    return replace(selector, terms=tuple(terms))
