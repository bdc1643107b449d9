"""What the mapping file should say of a sync, by what Census and dbt know of it. No I/O here."""

from collections.abc import Iterator
from dataclasses import dataclass

from relay.census.mapping_text import Entry, Form
from relay.census.matching import Certainty, Match
from relay.census.syncs import CensusSync
from relay.dbt.project import Project
from relay.dbt.selectors import read_selector

_FORMS = {
    Certainty.EXACT: Form.ACTIVE,
    Certainty.GUESS: Form.ACTIVE,
    Certainty.ASK: Form.COMMENTED,
    Certainty.NONE: Form.LEFT_OUT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedSync:
    """A sync of Census with its match; `source` and `destination` are their names for a person."""

    workspace: str
    sync: CensusSync
    match: Match
    source: str | None = None
    destination: str | None = None

    def propose(self, project: Project) -> Entry:
        """Its entry of the mapping file."""
        selectors = tuple(dict.fromkeys(map(project.selector_of, self.match.nodes)))
        form, reason = self._form(selectors)
        return Entry(
            workspace=self.workspace,
            sync_id=self.sync.sync_id,
            name=self.sync.label,
            depends_on=selectors,
            environments=self.match.environments,
            form=form,
            reason=reason,
            comments=tuple(self._comments(form)),
        )

    def _form(self, selectors: tuple[str, ...]) -> tuple[Form, str]:
        if self.sync.is_live:
            return Form.LEFT_OUT, "it is live: it runs all the time, and no trigger starts it"
        problem = next(filter(None, map(_problem_of, selectors)), None)
        if problem is not None:
            return Form.COMMENTED, problem
        form = _FORMS[self.match.certainty]
        return form, "" if form is Form.ACTIVE else self.match.because

    def _comments(self, form: Form) -> Iterator[str]:
        yield self._way
        if form is Form.ACTIVE:
            is_sure = self.match.certainty is Certainty.EXACT
            yield f"{'sure' if is_sure else 'guess'}: {self.match.because}"
        if self.match.environments:
            yield "look: other environments of dbt build its models as other tables"
        if self.sync.is_paused:
            yield "look: it is paused in Census"
        if self.sync.own_triggers is None:
            yield "look: Census does not say whether it also starts it by itself"
        elif self.sync.own_triggers:
            own = ", ".join(map(str, self.sync.own_triggers))
            yield f"look: Census also starts it by itself ({own}); relay's triggers come on top"

    @property
    def _way(self) -> str:
        """From where to where it takes data."""
        source = f" of {self.source}" if self.source else ""
        to = self.sync.destination
        where = " of ".join(filter(None, (to.object, self.destination))) or "an unknown place"
        return f"from {self.sync.source}{source} to {where}"


def _problem_of(selector: str) -> str | None:
    try:
        read_selector(selector)
    except ValueError as exc:
        return f"{exc}; select the model by another of dbt's words"
    return None
