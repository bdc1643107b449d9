"""What a worker answers to a page: plain data, cut to what a page can show."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from relay.notation import printable

MOST_DECISIONS = 500
MOST_MODELS = 3  # of a decision
MOST_TEXTS = 100
LONGEST_TEXT = 1000  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedDecision:
    """What would be decided on a sync: `trigger`, `withhold`, `held` or `triggered already`.

    `until` is when its cool-down or hold ends, None if it has none, or only a person ends it.
    """

    workspace: str
    sync_id: int
    decision: str
    reason: str
    models: tuple[str, ...]
    more_models: int
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Some of many texts; `more` is how many were left out."""

    shown: tuple[str, ...]
    more: int

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Texts":
        """The first of these, printable and cut."""
        every = tuple(texts)
        shown = tuple(printable(text)[:LONGEST_TEXT] for text in every[:MOST_TEXTS])
        return cls(shown=shown, more=len(every) - len(shown))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanAnswer:
    """What would be decided on a dbt run now; `never_counts` is why it triggers no sync.

    `rebuilt` and `failed` count models; `notes` are warnings, and what is unclear.
    """

    dbt_run_id: int
    never_counts: str | None
    rebuilt: int
    failed: int
    decisions: tuple[PlannedDecision, ...]
    more_decisions: int
    notes: Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckAnswer:
    """What `relay check --online` finds."""

    syncs: int
    problems: Texts
    warnings: Texts
    not_checked: Texts
    notes: Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAnswer:
    """What became of the wish to cancel a sync run."""

    says: str


Answer = PlanAnswer | CheckAnswer | CancelAnswer


def first_models(models: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """The first of these models, and how many more there are."""
    shown = tuple(printable(model)[:LONGEST_TEXT] for model in models[:MOST_MODELS])
    return shown, len(models) - len(shown)
