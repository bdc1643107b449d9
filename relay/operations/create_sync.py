"""Creates a sync in Census, or has Census validate it: asked once, and never again."""

from dataclasses import dataclass
from enum import Enum

import msgspec

from relay.census.sync_form import NewSyncForm
from relay.errors import Unanswered
from relay.vendors.census import CensusManagement
from relay.vendors.census.management import SyncCreation

# Census's own client waits as long: a creation can take minutes.
PATIENCE_SECONDS = 480.0


class Wanted(Enum):
    """What Census is asked for."""

    AS_WRITTEN = "as written"  # `validate_only` of the file decides
    VALIDATION = "validation"


class Outcome(Enum):
    """What became of a request for a sync."""

    CREATED = "created"
    VALIDATED = "validated"
    REFUSED = "refused"
    UNKNOWN = "unknown"  # there may be a new sync


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """What became of it. `said` is Census's answer, or why there is none.

    `sync_id` is None unless the answer names the new sync.
    """

    outcome: Outcome
    said: str
    sync_id: int | None = None


def create_sync(census: CensusManagement, sync: NewSyncForm, wanted: Wanted) -> Creation:
    """Send a sync to Census, and wait for minutes. Raises Unavailable: then there is no new one."""
    if wanted is Wanted.VALIDATION:
        sync = msgspec.structs.replace(sync, validate_only=True)
    try:
        answer = census.create_sync(msgspec.json.encode(sync), read_seconds=PATIENCE_SECONDS)
    except Unanswered as exc:
        return Creation(outcome=Outcome.UNKNOWN, said=str(exc))
    return Creation(outcome=_outcome(answer, sync), said=_in_words(answer), sync_id=answer.sync_id)


def _outcome(answer: SyncCreation, sync: NewSyncForm) -> Outcome:
    if answer.is_refused:
        return Outcome.REFUSED
    if not answer.is_ok:
        return Outcome.UNKNOWN
    if sync.validate_only:
        return Outcome.VALIDATED if answer.sync_id is None else Outcome.UNKNOWN
    return Outcome.UNKNOWN if answer.sync_id is None else Outcome.CREATED


def _in_words(answer: SyncCreation) -> str:
    word = f", status {answer.word!r}" if answer.word else ""
    named = f", sync {answer.sync_id}" if answer.sync_id is not None else ""
    # Of an answer with data, only its status is said.
    is_said = not answer.said or answer.said == f"status {answer.word!r}"
    said = "" if is_said else f": {answer.said}"
    return f"Census answered HTTP {answer.http_status}{word}{named}{said}"
