"""The syncs of Census and their runs as text, and as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from relay.census.matching import Certainty, Match
from relay.commands.status_form import COLOURS
from relay.commands.tables import Coloured, coloured, table, without_empty_columns
from relay.decision.gates import Reason
from relay.operations.census_syncs import LastRun, ListedSync, ShownSync
from relay.sync_runs import SyncRun
from relay.workspaces import display_id

_LABEL_WIDTH = 13
_STATE_COLOURS = {"paused": "yellow", "live": "yellow", "failing": "red"}


def describe_syncs(listed: Sequence[ListedSync], *, width: int | None) -> Iterator[str]:
    """A line for each sync; `width` is the terminal's, None for unlimited lines."""
    heading = (
        "sync",
        "label",
        "reads",
        "writes to",
        "state",
        "starts by itself",
        "mapped",
        "last run, UTC",
    )
    rows = [
        (
            display_id(sync.workspace, sync.sync_id),
            sync.label,
            sync.source,
            sync.destination,
            _state(sync.state),
            _starts_by(sync.own_triggers),
            "yes" if sync.is_mapped else "no",
            _last(sync.last_run),
        )
        for sync in listed
    ]
    yield from table(*without_empty_columns(heading, rows), width=width)
    mapped = sum(sync.is_mapped for sync in listed)
    yield f"{len(listed)} sync{'' if len(listed) == 1 else 's'}, {mapped} of them mapped"


def describe_sync(shown: ShownSync, *, width: int | None) -> Iterator[str]:
    """All that is known of a sync."""
    sync = shown.sync
    label = f" ({sync.label})" if sync.label else ""
    yield f"sync {display_id(shown.workspace, sync.sync_id)}{label}"
    yield from _facts(shown)
    if sync.mappings:
        yield from ("", "fields")
        rows = [
            (each.source, each.field, "yes" if each.is_primary_identifier else None)
            for each in sync.mappings
        ]
        yield from table(*without_empty_columns(("from", "to", "identifier"), rows), width=width)
    yield from ("", "runs, newest first")
    yield from describe_runs(shown.runs, width=width)


def _facts(shown: ShownSync) -> Iterator[str]:
    sync = shown.sync
    yield _fact("state", shown.state)
    yield _fact("operation", sync.operation or "unknown")
    yield _fact("reads", shown.source)
    if shown.match is not None:
        yield _fact("dbt", _in_dbt(shown.match))
    yield _fact("writes to", shown.destination)
    yield _fact("relay", _in_relay(shown))
    yield _fact("Census", _in_census(shown))
    if shown.mapped is not None and shown.mapped.enabled and sync.own_triggers:
        yield _fact("look", "both start it: it runs twice after a rebuild", "yellow")
    if shown.decision is not None:
        yield _fact("last decision", _decided(shown))
    for name, at in (("created", sync.created_at), ("changed", sync.updated_at)):
        if at is not None:
            yield _fact(name, f"{_time(at)} UTC")


def _in_dbt(match: Match) -> str:
    """The nodes; how sure that is, unless it is; and why."""
    nodes = ", ".join(match.nodes) or "no node"
    sure = "" if match.certainty in (Certainty.EXACT, Certainty.NONE) else f", {match.certainty}"
    return f"{nodes}{sure}: {match.because}"


def _in_relay(shown: ShownSync) -> str:
    if shown.mapped is None:
        return "not in the mapping file"
    if not shown.mapped.enabled:
        return "in the mapping file, with `enabled: false`"
    selectors = ", ".join(selector.text for selector in shown.mapped.depends_on)
    which = "all of" if shown.mapped.require == "all" else "one of"
    return f"starts it after a rebuild of {which}: {selectors}"


def _starts_by(own_triggers: Sequence[str] | None) -> str | None:
    return "unknown" if own_triggers is None else ", ".join(own_triggers) or None


def _in_census(shown: ShownSync) -> str:
    own = shown.sync.own_triggers
    if own is None:
        return "does not say what starts it"
    return f"starts it by {', '.join(map(str, own))}" if own else "does not start it by itself"


def _decided(shown: ShownSync) -> str:
    decision = shown.decision
    assert decision is not None
    verdict = "triggered" if decision.reason is Reason.REBUILT else f"withheld, {decision.reason}"
    models = f": {', '.join(decision.models)}" if decision.models else ""
    return f"{verdict} for dbt run {decision.dbt_run_id}, {_time(decision.decided_at)} UTC{models}"


def describe_runs(runs: Sequence[SyncRun], *, width: int | None) -> Iterator[str]:
    """A line for each run. `records` are those processed, updated, failed and invalid."""
    heading = (
        *("run", "begun, UTC", "ended, UTC", "became", "processed", "updated", "failed", "invalid"),
        *("full", "started by", "error"),
    )
    rows = [
        (
            run.sync_run_id,
            _time(run.created_at),
            _time(run.completed_at),
            _became(run.outcome or run.status),
            run.records_processed,
            run.records_updated,
            run.records_failed,
            run.records_invalid,
            "yes" if run.full_sync else None,
            run.trigger_reason,
            " ".join(part for part in (run.error_code, run.error_message) if part) or None,
        )
        for run in runs
    ]
    yield from table(*without_empty_columns(heading, rows), width=width)


def sync_json(shown: ShownSync) -> dict[str, object]:
    """The same for programs: what relay depends on as it is written."""
    known = asdict(shown)
    mapped = shown.mapped
    known["mapped"] = mapped and {
        "depends_on": [selector.text for selector in mapped.depends_on],
        "enabled": mapped.enabled,
    }
    own = shown.sync.own_triggers
    known["sync"]["own_triggers"] = None if own is None else [str(trigger) for trigger in own]
    return known


def _fact(name: str, text: str | None, colour: str | None = None) -> str:
    return f"  {name:<{_LABEL_WIDTH}} {coloured(text or '', colour) if colour else text}"


def _state(state: str) -> str | Coloured:
    colour = _STATE_COLOURS.get(state.casefold())
    return Coloured(state, colour) if colour else state


def _became(word: str) -> str | Coloured:
    colour = COLOURS.get(word)
    return Coloured(word, colour) if colour else word


def _last(run: LastRun | None) -> str | Coloured | None:
    if run is None:
        return None
    at = f"{_time(run.begun_at)} " if run.begun_at else ""
    word = run.word or "not ended"
    colour = COLOURS.get(word)
    return Coloured(f"{at}{word}", colour) if colour else f"{at}{word}"


def _time(at: datetime | None) -> str | None:
    return None if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"
