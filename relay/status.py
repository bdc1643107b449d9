"""`relay status`: what is under way, in a form for a terminal."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from relay.database import Server, asking
from relay.decision.mapping import told_id
from relay.store import Overview, overview


def look(server: Server, *, newest: int) -> Overview:
    """Read the overview. Raises DatabaseUnavailable."""
    with asking(server) as connection:
        return overview(connection, newest=newest)


def describe(seen: Overview) -> str:
    """A table of each."""
    return "\n".join(
        (
            "given up",
            *table(
                ("when", "dbt run", "sync", "problem"),
                [
                    (
                        _short(row.given_up_at),
                        row.dbt_run_id,
                        row.sync_id and told_id(row.workspace or "", row.sync_id),
                        row.problem,
                    )
                    for row in seen.given_up
                ],
            ),
            "",
            "deliveries",
            *table(
                ("received", "dbt run", "became", "why", "delivery"),
                [
                    (_short(row.received_at), row.dbt_run_id, row.became, row.why, row.delivery_id)
                    for row in seen.deliveries
                ],
            ),
            "",
            "triggers",
            *table(
                ("requested", "sync", "dbt run", "sync run", "state", "problem"),
                [
                    (
                        _short(row.requested_at),
                        told_id(row.workspace, row.sync_id),
                        row.dbt_run_id,
                        row.sync_run_id,
                        row.state,
                        row.problem,
                    )
                    for row in seen.triggers
                ],
            ),
            "",
            "open sync runs",
            *table(
                ("begun", "sync", "sync run", "status", "looks", "problem"),
                [
                    (
                        _short(row.begun_at),
                        told_id(row.workspace, row.sync_id),
                        row.sync_run_id,
                        row.status,
                        row.looks,
                        row.problem,
                    )
                    for row in seen.open_sync_runs
                ],
            ),
        )
    )


def table(heading: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Columns as wide as they must be; a dash for what is not known."""
    cells = [["-" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heading, *cells, strict=True)]
    for row in [list(heading), ["-" * width for width in widths], *cells]:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"  {line}".rstrip()
    if not rows:
        yield "  none"


def _short(time: datetime) -> str:
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S")
