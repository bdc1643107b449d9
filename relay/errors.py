"""relay's errors, grouped by what the caller does next. No I/O here.

RelayError
├── NotGenuine            refuse the delivery with 401, and reveal nothing about the expected value
├── NotForUs              acknowledge the delivery and do nothing; `reason` says why
├── BadSettings           exit 2; `problems` lists all of them
├── BadMapping            keep the last good mapping, or exit 1; `problems` lists all of them
├── BadSyncFile           exit 1, send nothing; `problems` lists all of them
├── NothingToReplay       exit 1: the delivery to replay is unknown, or is about no run
├── CannotWrite           exit 1: a new file could not be written; no part of it is left
├── CannotRunAsService    exit 1: systemd could not start this installation of relay
├── CannotAppend          exit 1: the mapping file cannot be added to; it is unchanged
├── CensusNotRead         exit 1: a command could not read what it shows from Census
├── CannotDecide          exit 1: the decision on a sync raised an unexpected error
├── NoDatabase            exit 1: there is no relay database
├── NotMapped             exit 1: the given sync is not in the mapping file
├── BadArtifact           a vendor's file cannot be read; fail after the retries
├── VendorError           an API call to a vendor failed
│   ├── Unavailable       the vendor did nothing; retry, not before `retry_after`
│   ├── Unanswered        the vendor may have done it; reconcile before a retry
│   ├── NotReadable       not found at an inferred path, which is no proof that it does not exist
│   └── Rejected          the vendor refuses; a retry does not help
└── DatabaseUnavailable   nothing was recorded; respond with 503, or retry
"""

from dataclasses import dataclass


class RelayError(Exception):
    """Anything relay raises on purpose."""


class NotGenuine(RelayError):
    """A delivery whose signature is missing, malformed or wrong."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotForUs(RelayError):
    """A verified delivery that is not about a finished run of our account."""

    def __init__(self, reason: str, *, event_id: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.event_id = event_id


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One problem for the user to fix: where it is, and what is wrong."""

    where: str
    what: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class _HasProblems(RelayError):
    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class BadSettings(_HasProblems):
    """Settings that cannot be used; every problem of the environment at once."""


class BadMapping(_HasProblems):
    """A mapping file that cannot be used; every problem of the file at once."""


class BadSyncFile(_HasProblems):
    """A file of a new sync that cannot be sent; every problem of the file at once."""


class NothingToReplay(RelayError):
    """A delivery that is unknown, or was ignored."""


class CannotWrite(RelayError):
    """A new file that already exists, or whose folder is not writable."""


class CannotRunAsService(RelayError):
    """An installation whose files a hardened systemd service could not read; one line each."""


class CannotAppend(RelayError):
    """A mapping file whose form has no place for more syncs, or that changes meanwhile."""


class CensusNotRead(RelayError):
    """What a command shows of Census, which did not answer or refused; it says of which workspace.

    `__cause__` is the vendor's error.
    """


class CannotDecide(RelayError):
    """A sync that could not be decided for a run; `__cause__` is the unexpected error."""


class NoDatabase(RelayError):
    """No relay database at the place that the settings name; `place` describes it."""

    def __init__(self, place: str, hint: str) -> None:
        super().__init__(f"No relay database {place}. {hint}")
        self.place = place


class NotMapped(RelayError):
    """A sync that the mapping file does not have."""


class BadArtifact(RelayError):
    """A document from dbt Cloud or Census that is not JSON of the documented form."""


class VendorError(RelayError):
    """A call to dbt Cloud or Census without a usable response.

    `what` describes the call, without secrets; `http_status` is None if there was no response.
    """

    def __init__(self, what: str, *, http_status: int | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.http_status = http_status


class Unavailable(VendorError):
    """The vendor did nothing: no connection, 429, or a 5xx to a read request.

    `retry_after` is from the vendor's response, in seconds, or None.
    """

    def __init__(
        self, what: str, *, http_status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(what, http_status=http_status)
        self.retry_after = retry_after


class Unanswered(VendorError):
    """A write request was sent and its response was lost: the vendor may have done it."""


class NotReadable(VendorError):
    """Nothing was found at a path that is inferred, not documented."""


class Rejected(VendorError):
    """The vendor refused the request."""


class DatabaseUnavailable(RelayError):
    """PostgreSQL is unreachable, hangs, or cannot be started."""
