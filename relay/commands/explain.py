"""`relay explain`: each condition with what was seen, and the decision."""

from collections.abc import Iterator

import click

from relay.clock import utc_now
from relay.commands.hold_form import hold_text
from relay.commands.progress import progress
from relay.commands.session import on_database, print_json
from relay.commands.tables import Coloured, coloured, table, terminal_width
from relay.decision.gates import Reason
from relay.operations.explain import Explanation, explain_sync
from relay.operations.hold import describe_scope
from relay.settings import Settings
from relay.terminal import PROBLEM
from relay.workspaces import display_id


def run(workspace: str, sync_id: int, dbt_run_id: int | None, *, wants_json: bool) -> int:
    """Print the explanation and return the exit status. `dbt_run_id` None: the last run."""
    with (
        on_database(Settings) as (settings, server),
        progress(f"Explaining sync {display_id(workspace, sync_id)}"),
    ):
        explained = explain_sync(
            server, settings, workspace=workspace, sync_id=sync_id, dbt_run_id=dbt_run_id
        )
    if explained is None:
        click.echo(f"no dbt run has affected sync {sync_id} yet", err=True)
        return PROBLEM
    if wants_json:
        print_json(explained)
    else:
        click.echo(describe_explanation(explained, width=terminal_width()))
    return 0


def describe_explanation(explained: Explanation, *, width: int | None = None) -> str:
    """Each condition with what was seen, then the decision and the models that decided it.

    `width` is the terminal's, None for unlimited lines.
    """
    at = explained.decided_at
    when = f"decided {at:%Y-%m-%d %H:%M:%S} UTC" if at else "as it would be decided now"
    sync = display_id(explained.workspace, explained.sync_id)
    heading = f"sync {sync}, dbt run {explained.dbt_run_id}, {when}"
    if explained.never_counts is not None:
        return f"{heading}\nthe run never counts: {explained.never_counts}"
    if explained.reason is None:
        return f"{heading}\nnot affected: the run executed none of its models"
    rows = [
        (
            condition.reason,
            Coloured("yes", "yellow") if condition.holds else "no",
            condition.seen,
        )
        for condition in explained.conditions
    ]
    conditions = table(("condition", "met", "seen"), rows, width=width)
    decision = (_verdict(explained.reason), *_hold(explained), *_models(explained))
    return "\n".join((heading, *conditions, *decision))


def _verdict(reason: Reason) -> str:
    if reason is Reason.REBUILT:
        return coloured("triggered", "green")
    return coloured(f"withheld: {reason}", "yellow")


def _hold(explained: Explanation) -> Iterator[str]:
    hold = explained.hold
    if hold is None:
        return
    is_over = hold.until is not None and hold.until <= utc_now()
    word = "was held" if is_over else "is held, so triggers wait"
    yield coloured(f"{describe_scope(hold)}: {word} {hold_text(hold)}", "yellow")


def _models(explained: Explanation) -> Iterator[str]:
    for model in explained.models:
        behind = explained.through.get(model)
        yield f"  {model}" + (f", through {', '.join(behind)}" if behind else "")
