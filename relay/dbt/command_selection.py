"""Which nodes a step's command may have executed, by its own words. No I/O here."""

from collections.abc import Iterator
from dataclasses import replace

from relay.dbt.manifest import Lineage
from relay.dbt.runs import Step, split_option
from relay.dbt.selection import Selection
from relay.dbt.selectors import Selector, read_selector

_SELECTING = frozenset({"--select", "-s", "--models", "-m", "--model"})
_EXCLUDING = frozenset({"--exclude"})
_OF_COMMAND = {"run": ("model.",), "seed": ("seed.",), "snapshot": ("snapshot.",)}


def may_have_executed(step: Step, lineage: Lineage) -> frozenset[str]:
    """The models, seeds and snapshots that the command selects; rather too many than too few.

    What relay cannot resolve (`state:`, `--selector`) selects everything and excludes nothing.
    """
    kinds = _OF_COMMAND.get(step.dbt_command or "", ("model.", "seed.", "snapshot."))
    nodes = frozenset(
        key
        for key, node in lineage.rebuildable.items()
        if key.startswith(kinds) and node.config.materialized != "ephemeral"
    )
    selection = Selection((), lineage, views=nodes)
    selected = _selected(step, _SELECTING, selection)
    excluded = _selected(step, _EXCLUDING, selection)
    return (nodes if selected is None else selected) - (excluded or frozenset())


def _selected(step: Step, options: frozenset[str], selection: Selection) -> frozenset[str] | None:
    """What the option selects; None where it is not there, or cannot be resolved."""
    words = [word for value in _values(step, options) for word in value.split()]
    try:
        selectors = [_as_dbt_reads(read_selector(word)) for word in words]
    except ValueError:
        return None
    return selection.selected(selectors) if selectors else None


def _values(step: Step, options: frozenset[str]) -> Iterator[str]:
    """The values of an option, which takes several words: `--select customers orders`."""
    takes = False
    for word in step.words:
        if word.startswith("-"):
            option, value = split_option(word)
            takes = option in options
            if takes and value is not None:
                yield value
        elif takes:
            yield word


def _as_dbt_reads(selector: Selector) -> Selector:
    """For dbt a bare word may also be a package or a folder."""
    terms = (
        replace(term, method="fqn") if term.method == "name" else term for term in selector.terms
    )
    return replace(selector, terms=tuple(terms))
