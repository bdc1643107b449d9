"""Why Census refused to start a sync: it may be gone or paused, which its message need not say."""

from http import HTTPStatus

from relay.errors import BadArtifact, VendorError
from relay.store import Attempt, Refused
from relay.worker.services import Services

# The refusal is recorded by then, but not yet logged: a worker that stops must not lose the line.
LONGEST_LOOK = 5.0  # seconds
_ABOUT_THE_KEY = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


def explained(services: Services, attempt: Attempt, refused: Refused) -> str:
    """The problem, with what Census now says of the sync if it was Census that refused."""
    if refused.http_status is None or refused.http_status in _ABOUT_THE_KEY:
        return refused.problem
    cause = _cause(services, attempt, refused.http_status)
    return f"{cause}: {refused.problem}" if cause else refused.problem


def _cause(services: Services, attempt: Attempt, http_status: int) -> str | None:
    """What is wrong with the sync, None if nothing; or that this could not be found out."""
    named = f"sync {attempt.sync_id}"
    try:
        census = services.census_clients.management_of(attempt.workspace)
        sync = census.sync(attempt.sync_id, read_seconds=LONGEST_LOOK)
    except (VendorError, BadArtifact) as exc:
        is_not_found = isinstance(exc, VendorError) and exc.http_status == HTTPStatus.NOT_FOUND
        if is_not_found and http_status == HTTPStatus.NOT_FOUND:
            return f"{named} no longer exists in workspace {attempt.workspace}"
        return f"whether {named} exists and is paused could not be asked ({exc})"
    if sync.is_paused:
        return f"{named} is paused in Census"
    return f"{named} is live in Census, and no trigger starts it" if sync.is_live else None
