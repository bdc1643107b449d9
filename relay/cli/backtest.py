"""`relay backtest`: what relay would have done, beside what Census ran."""

import sys
from pathlib import Path

import click

from relay.cli.options import AN_ID, as_json
from relay.commands.parameters import Duration


@click.command()
@click.option("--since", "seconds", required=True, type=Duration(), help="How far back: 24h, 7d.")
@click.option(
    "--job",
    "dbt_job_ids",
    multiple=True,
    type=AN_ID,
    help="Only its dbt runs; may be given several times. Default: those of all jobs.",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder for what was read of dbt runs. Default: backtest in RELAY_DATA_DIR.",
)
@click.option(
    "--all", "listed", flag_value="all", default="first", help="List every difference and run."
)
@as_json
def backtest(
    seconds: int, dbt_job_ids: tuple[int, ...], cache: Path | None, listed: str, *, wants_json: bool
) -> None:
    """Show what relay would have done on this account, beside what Census ran.

    It takes the dbt runs that ended since then from dbt Cloud, decides each by the mapping as it is
    now, and compares the sync runs that would follow with those of Census. It only reads, and needs
    no database. A second call reads only what is new.

    Exit status 1 if a run or a sync could not be read: the report says which.
    """
    from relay.commands import backtest as command
    from relay.commands.backtest import Listed

    asked = command.Asked(seconds, dbt_job_ids, cache)
    sys.exit(command.run(asked, Listed(listed), wants_json=wants_json))
