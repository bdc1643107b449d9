"""`relay freshness`: how far each tool is behind its models."""

import sys

import click

from relay.cli.options import as_json


@click.command()
@click.option(
    "--rebuild",
    is_flag=True,
    help="Derive it anew from decisions and sync runs, and show what was different.",
)
@as_json
def freshness(*, rebuild: bool, wants_json: bool) -> None:
    """Show how far each sync is behind its models, and why; the worst first.

    A sync is behind from the end of the oldest dbt run whose rebuild is not in the tool. With
    `fresh_within` in the mapping file, it is stale when that is longer ago; the exit status is then
    1. The lag is the time that the last sync run took from the end of its oldest dbt run.
    """
    from relay.commands import freshness as command

    run = command.run_rebuild if rebuild else command.run
    sys.exit(run(wants_json=wants_json))
