"""Everything that can go wrong, grouped by what the caller does next. No I/O here.

RelayError
├── NotGenuine            refuse the delivery with 401; nothing about the expected value is said
├── NotForUs              acknowledge the delivery and do nothing; `reason` says why
├── BadSettings           exit 2; `problems` lists all of them
├── BadMapping            keep the last good mapping, or exit 1; `problems` lists all of them
├── NothingToReplay       exit 1: a person asked for a delivery that is about no run
├── CannotWrite           exit 1: a file that was to be new, and nothing of it is left
├── CannotAppend          exit 1: a mapping file that cannot be added to, and is as it was
├── CannotDecide          exit 1: a sync whose decision raises what nobody foresaw
├── NoDatabase            exit 1: there is no database of relay's to ask
├── NotMapped             exit 1: a person named a sync that the mapping file does not have
├── BadArtifact           a vendor's file cannot be read; retry, then give up
├── VendorError           the wire to a vendor
│   ├── Unavailable       nothing happened there; try again, not before `retry_after`
│   ├── Unanswered        it may have happened there; reconcile before trying again
│   └── Rejected          it will not happen; trying again changes nothing
└── DatabaseUnavailable   nothing was recorded; answer 503, or try again
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
    """A genuine delivery that is not about a finished run of our account."""

    def __init__(self, reason: str, *, event_id: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.event_id = event_id


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing a person has to fix: where it is, and what is wrong with it."""

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


class NothingToReplay(RelayError):
    """A delivery that is unknown, or was ignored."""


class CannotWrite(RelayError):
    """A new file that is there already, or whose folder cannot be written."""


class CannotAppend(RelayError):
    """A mapping file whose form has no place for more syncs, or that changes meanwhile."""


class CannotDecide(RelayError):
    """A sync that cannot be judged on a run; the cause is what that raised."""


class NoDatabase(RelayError):
    """No database of relay's where the settings say; `place` is where that is."""

    def __init__(self, place: str, hint: str) -> None:
        super().__init__(f"No relay database {place}. {hint}")
        self.place = place


class NotMapped(RelayError):
    """A sync that the mapping file does not have."""


class BadArtifact(RelayError):
    """A document from dbt Cloud or Census that is no JSON of the documented shape."""


class VendorError(RelayError):
    """A call to dbt Cloud or Census that brought no answer to work with.

    `what` names the call without its host's secrets; `http_status` is None where no answer came.
    """

    def __init__(self, what: str, *, http_status: int | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.http_status = http_status


class Unavailable(VendorError):
    """The vendor did not do it: no connection, 429, or a 5xx to a question.

    `retry_after` is in seconds, as the vendor asked; None where it did not.
    """

    def __init__(
        self, what: str, *, http_status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(what, http_status=http_status)
        self.retry_after = retry_after


class Unanswered(VendorError):
    """A command was sent and its answer was lost: the vendor may have done it."""


class Rejected(VendorError):
    """The vendor understood and will not do it."""


class DatabaseUnavailable(RelayError):
    """PostgreSQL is gone, hangs, or cannot be started."""
