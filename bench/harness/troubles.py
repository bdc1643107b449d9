"""What goes wrong on purpose in a soak, and what a channel was sent about it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.jobs import FIRST_DBT_RUN, Jobs
from harness.service import Service
from relay.sandbox.server import Sandbox

# Each time it is another job, so that one trouble is over before the next of its sync begins.
# A job that fails at once withholds what has never flowed, which opens no alert.
FAILS_EVERY, FAILS_FIRST = 130, 137  # dbt runs: in one of so many its model fails
SYNC_FAILS_EVERY, SYNC_FAILS_FIRST = 170, 50  # in one of so many its syncs' runs fail

MESSAGE_DELAY = 5  # seconds
CHANNELS = """\
notify:
  hook:
    kind: webhook
    url_env: RELAY_NOTIFY_WEBHOOK
    key_env: RELAY_NOTIFY_WEBHOOK_KEY
    events: [withheld, failing, given_up, rejects]
defaults: {notify: [hook]}
"""


def has_failed(number: int) -> bool:
    """Whether the dbt run with this number failed."""
    return number >= FAILS_FIRST and (number - FAILS_FIRST) % FAILS_EVERY == 0


class FailingSyncRuns:
    """Ends the next sync run of some syncs as failed."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._to_fail: set[int] = set()
        self.failed: set[tuple[int, int]] = set()  # sync and sync run

    def next(self, sandbox: Sandbox, number: int) -> None:
        """Note what is to fail of the run with this number, and fail what is running."""
        if number % SYNC_FAILS_EVERY == SYNC_FAILS_FIRST:
            self._to_fail.update(self._jobs.syncs(number % self._jobs.number))
        for sync_id in sorted(self._to_fail):
            for run in sandbox.census.sync_runs_of(sync_id)[-1:]:
                if run.end is None:
                    sandbox.census.finish(run.sync_run_id, status="failed")
                    self.failed.add((sync_id, run.sync_run_id))
                    self._to_fail.discard(sync_id)


@dataclass(frozen=True, slots=True)
class Messages:
    """What went wrong, and what was sent of it.

    `alerts` are by event; `unseen` is what went wrong and opened no alert, `unexpected` are
    alerts that nothing caused. An alert that was over within MESSAGE_DELAY is not sent.
    """

    went_wrong: int
    alerts: dict[str, int]
    unseen: int
    unexpected: int
    messages: int
    sent_once: int
    over_before: int
    still_open: int
    sent_otherwise: int
    not_received: int
    received_again: int

    @property
    def is_right(self) -> bool:
        """Whether each alert was sent once when it opened and once when it was over."""
        return not (self.unseen + self.unexpected + self.sent_otherwise + self.not_received)

    def rows(self) -> Iterator[tuple[str, str]]:
        """For a table."""
        yield "went wrong on purpose", str(self.went_wrong)
        for event, number in sorted(self.alerts.items()):
            yield f"alerts: {event}", str(number)
        yield "alerts sent once when opened, once when over", str(self.sent_once)
        yield f"alerts over within {MESSAGE_DELAY} s, not sent", str(self.over_before)
        yield "alerts open at the end, sent once", str(self.still_open)
        yield "messages", str(self.messages)
        yield "messages received again", str(self.received_again)


def messages_of(
    service: Service,
    jobs: Jobs,
    dbt_runs: int,
    failed_sync_runs: set[tuple[int, int]],
    received: Sequence[str],
) -> Messages:
    """Compare what went wrong, the alerts and their messages, and what the channel received."""
    withheld = {
        ("withheld", sync_id, FIRST_DBT_RUN + number)
        for number in filter(has_failed, range(dbt_runs))
        for sync_id in jobs.syncs(number % jobs.number)
    }
    caused = withheld | {("failing", *each) for each in failed_sync_runs}
    alerts = Counter({tuple(row): 1 for row in service.ask(_ALERTS)})
    sent = Counter(service.ask(_SENT))
    told, silent, still_open = sent[False, 1, 1], sent[False, 0, 0], sent[True, 1, 0]
    stored = {str(message_id) for (message_id,) in service.ask(_MESSAGES)}
    return Messages(
        went_wrong=len(caused),
        alerts=dict(service.ask(_BY_EVENT)),
        unseen=len(caused - alerts.keys()),
        unexpected=len(alerts.keys() - caused),
        messages=len(stored),
        sent_once=told,
        over_before=silent,
        still_open=still_open,
        sent_otherwise=sent.total() - told - silent - still_open,
        not_received=len(stored - set(received)),
        received_again=len(received) - len(set(received)),
    )


# What the syncs of a benchmark read in Census is not what they read in dbt.
_ALERTS = """
SELECT event, sync_id, coalesce((detail ->> 'sync_run_id')::bigint, dbt_run_id) FROM relay.alerts
WHERE event NOT IN ('drifted', 'unwell')
"""
_BY_EVENT = """
SELECT event, count(*) FROM relay.alerts WHERE event NOT IN ('drifted', 'unwell') GROUP BY event
"""
_SENT = """
SELECT resolved_at IS NULL, count(*) FILTER (WHERE says = 'opened'),
       count(*) FILTER (WHERE says = 'resolved')
FROM relay.alerts LEFT JOIN relay.alert_messages USING (alert_id)
WHERE event NOT IN ('drifted', 'unwell') GROUP BY alert_id
"""
_MESSAGES = "SELECT message_id FROM relay.messages"
