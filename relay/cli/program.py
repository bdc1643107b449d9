"""The command `relay`, and those of its commands that are in no group."""

import sys
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import click

from relay.cli.backtest import backtest
from relay.cli.destinations import destinations
from relay.cli.freshness import freshness
from relay.cli.hold import hold, release
from relay.cli.init import init
from relay.cli.mapping import mapping as mapping_group
from relay.cli.mute import mute, unmute
from relay.cli.notify import notify
from relay.cli.options import AN_ID, as_json, of_run
from relay.cli.sources import sources
from relay.cli.syncs import syncs
from relay.cli.systemd_unit import systemd_unit
from relay.commands.parameters import Duration, WebhookUrl
from relay.notation import LARGEST_ID
from relay.workspaces import DEFAULT_WORKSPACE


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="relay", prog_name="relay")
def main() -> None:
    """Triggers the Census syncs whose dbt models a dbt Cloud run really rebuilt."""


for each in (
    *(backtest, freshness, hold, release, mute, unmute, notify),
    *(init, mapping_group, syncs, sources, destinations, systemd_unit),
):
    main.add_command(each)


@main.command()
def up() -> None:
    """Run database, web and worker together, until Ctrl-C."""
    from relay.commands.processes import run_up

    run_up()


@main.command()
def worker() -> None:
    """Run the worker: it evaluates dbt runs, triggers syncs and polls their sync runs."""
    from relay.commands.processes import run_worker

    run_worker()


@main.command(name="migrate")
def migrate_() -> None:
    """Bring the database's schema up to date; the processes also do it when they start."""
    from relay.commands.processes import run_migrate

    run_migrate()


@main.command()
@click.argument("mapping", required=False, type=click.Path(path_type=Path))
@click.option(
    "--manifest", type=click.Path(path_type=Path), help="Resolve all selectors against it."
)
@click.option(
    "--most",
    default=500,
    show_default=True,
    type=click.IntRange(min=1),
    help="How many nodes a selector may select there without a warning.",
)
@click.option("--online", is_flag=True, help="Also ask dbt Cloud and Census; nothing is changed.")
@click.option("--strict", "is_strict", is_flag=True, help="Treat every warning as a problem.")
@as_json
def check(
    mapping: Path | None,
    manifest: Path | None,
    most: int,
    *,
    online: bool,
    is_strict: bool,
    wants_json: bool,
) -> None:
    """Check the settings and the mapping file; or only MAPPING, if one is given.

    Syncs that the runs of every environment trigger, and variables whose names are similar to
    one of relay's, are warnings.

    With a manifest.json, as `dbt parse` writes it to target/, also what the selectors of depends_on
    select there: nothing, or only what is disabled, is a problem; a name in several packages, or
    very many nodes, a warning.

    With --online also the dbt token, the webhook subscription, each workspace's key, and each sync
    of the file beside Census and the newest manifest: whether it exists, can run, runs twice, and
    reads what depends_on selects. What cannot be asked is no success.
    """
    from relay.commands import check as command

    run = command.run_online if online else command.run
    sys.exit(run(mapping, manifest, max_nodes=most, is_strict=is_strict, wants_json=wants_json))


@main.command()
@as_json
def config(*, wants_json: bool) -> None:
    """Show the settings in effect; secrets are masked."""
    from relay.commands import config as command

    command.run(wants_json=wants_json)


@main.command()
@click.option(
    "--newest",
    type=click.IntRange(min=0, max=LARGEST_ID),
    default=10,
    show_default=True,
    help="How many of each to show.",
)
@click.option("--watch", is_flag=True, help="Refresh every two seconds, until Ctrl-C.")
@as_json
def status(newest: int, *, watch: bool, wants_json: bool) -> None:
    """Show whether relay is ready, what needs attention, recent work and open sync runs."""
    from relay.commands import status as command

    if watch and wants_json:
        raise click.UsageError("--watch draws on a terminal, and --json is for programs")
    if watch:
        command.watch(newest)
    else:
        command.run(newest, wants_json=wants_json)


@main.command()
@of_run
@as_json
def plan(dbt_run_id: int, *, wants_json: bool) -> None:
    """Show what relay would do after a dbt run, and do nothing."""
    from relay.commands import plan as command

    command.run(dbt_run_id, wants_json=wants_json)


@main.command()
@click.option("--sync", "sync_id", required=True, type=AN_ID, help="Its id.")
@click.option("--run", "dbt_run_id", type=AN_ID, help="The dbt run's id.")
@click.option("--last", is_flag=True, help="The last run that affected the sync.")
@click.option("--workspace", default=DEFAULT_WORKSPACE, show_default=True)
@as_json
def explain(
    sync_id: int, dbt_run_id: int | None, *, last: bool, workspace: str, wants_json: bool
) -> None:
    """Explain why a sync was triggered or withheld for a dbt run."""
    from relay.commands import explain as command

    if (dbt_run_id is None) is not last:
        raise click.UsageError("say which run: either --run ID or --last")
    sys.exit(command.run(workspace, sync_id, dbt_run_id, wants_json=wants_json))


@main.command()
@click.option("--run", "dbt_run_id", type=AN_ID, help="The dbt run's id.")
@click.option("--delivery", "delivery_id", type=click.UUID, help="The run that it reported.")
@click.option("--since", type=Duration(), help="All runs reported since so long ago: 6h, 2d.")
@click.option("--until", type=Duration(), default=None, help="With --since: until so long ago.")
@click.option("--dry-run", is_flag=True, help="Show what it would do; do nothing.")
@click.option(
    "--again", "redo", flag_value="everything", default="nothing", help="Also triggered syncs."
)
@as_json
def replay(
    dbt_run_id: int | None,
    delivery_id: UUID | None,
    since: int | None,
    until: int | None,
    redo: str,
    *,
    dry_run: bool,
    wants_json: bool,
) -> None:
    """Evaluate dbt runs again, by the mapping as it is now.

    A sync that was already triggered for a run is not triggered again, unless with --again or if
    Census refused to start it. Runs whose retries were exhausted, and runs that relay does not
    know, are evaluated as new ones.
    """
    from relay.commands import replay as command
    from relay.operations.replay import ReplayRequest
    from relay.store import Redo

    if sum(choice is not None for choice in (dbt_run_id, delivery_id, since)) != 1:
        raise click.UsageError("say what to replay: one of --run, --delivery and --since")
    if until is not None and since is None:
        raise click.UsageError("--until goes with --since")
    asked = ReplayRequest(dbt_run_id, delivery_id, since, until or 0)
    command.run(asked, Redo(redo), dry_run=dry_run, wants_json=wants_json)


@main.command()
@click.argument("sync_id", type=AN_ID)
@click.option("--workspace", default=DEFAULT_WORKSPACE, show_default=True)
@click.option(
    "--full-sync", "records", flag_value="all", default="mapped", help="Send all records."
)
@click.option(
    "--unmapped",
    flag_value="triggered",
    default="refused",
    help="Also a sync that the mapping file does not have.",
)
@click.option(
    "--wait",
    "until",
    flag_value="ended",
    default="requested",
    help="Until its sync run has ended; exit with 1 unless that completed.",
)
def trigger(sync_id: int, workspace: str, records: str, unmapped: str, until: str) -> None:
    """Trigger a sync now, without a dbt run; a sync run that is still running ends first."""
    from relay.commands import trigger as command
    from relay.operations.trigger import Records

    sys.exit(
        command.run(
            sync_id,
            workspace,
            Records(records),
            unmapped=command.Unmapped(unmapped),
            until=command.Until(until),
        )
    )


@main.command()
@click.argument("file", type=click.File("rb"))
@click.option(
    "--to",
    "url",
    required=True,
    type=WebhookUrl(),
    help="Where relay listens: https://…/webhooks/dbt",
)
def send(file: BinaryIO, url: str) -> None:
    """Sign the event in FILE (- for stdin) with the first webhook secret, and deliver it."""
    from relay.commands import send as command

    sys.exit(command.run(file, url))


@main.command()
@click.option("--dbt-port", default=8081, show_default=True)
@click.option("--census-port", default=8082, show_default=True)
@click.option("--channels-port", default=8083, show_default=True)
def sandbox(dbt_port: int, census_port: int, channels_port: int) -> None:
    """Run simulators of dbt Cloud, Census and channels on this machine, until Ctrl-C."""
    from relay.sandbox.command import serve

    serve(dbt_port=dbt_port, census_port=census_port, channels_port=channels_port)


@main.command()
@click.option(
    "--open",
    "then",
    flag_value="stay",
    help="Then keep it running, with its dashboard, until Ctrl-C.",
)
def demo(then: str | None) -> None:
    """Watch a dbt run become Census sync runs: the real service, on the sandbox."""
    from relay.sandbox.demo import Then, run

    sys.exit(run(Then(then or "end")))


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that lets a shell complete relay's commands and options.

    bash, in ~/.bashrc: eval "$(relay completion bash)"; zsh likewise in ~/.zshrc; fish: relay
    completion fish > ~/.config/fish/completions/relay.fish
    """
    from relay.commands import completion as command

    command.run(main, shell)
