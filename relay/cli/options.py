"""Options that several commands have."""

import click

from relay.notation import LARGEST_ID

AN_ID = click.IntRange(min=1, max=LARGEST_ID)

of_run = click.option("--run", "dbt_run_id", required=True, type=AN_ID, help="The dbt run's id.")
as_json = click.option("--json", "wants_json", is_flag=True, help="Print JSON, for a pipe.")
