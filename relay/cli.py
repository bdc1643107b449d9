"""relay's commands. Each is a few lines: the work is done in the modules they name."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import click
import msgspec

from relay import logs
from relay.clock import utc_now
from relay.database import Server, joined, migrate, server_of
from relay.decision.mapping import DEFAULT_WORKSPACE
from relay.exits import PROBLEM, settings_or_exit, told
from relay.mapping_file import load
from relay.notation import read_duration
from relay.settings import Role, Settings

of_run = click.option(
    "--run", "dbt_run_id", required=True, type=click.IntRange(min=1), help="The dbt run's id."
)
as_json = click.option("--json", "wants_json", is_flag=True, help="Print JSON, for a pipe.")


class Duration(click.ParamType):  # type: ignore[type-arg]
    """Seconds, as `6h` or `2d`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return value if isinstance(value, int) else read_duration(value)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="relay", prog_name="relay")
def main() -> None:
    """Triggers the Census syncs whose dbt models a dbt Cloud run really rebuilt."""


@main.command()
def up() -> None:
    """Run database, web and worker together, until Ctrl-C."""
    from relay import up as supervisor  # noqa: PLC0415 - each command loads what it needs

    with _started(Role.SERVICE) as settings:
        load(settings.mapping)
        supervisor.run(settings, server_of(settings))


@main.command()
def worker() -> None:
    """Run the worker: it asks dbt Cloud, decides, triggers and follows."""
    from relay import worker as workers  # noqa: PLC0415

    with _started(Role.WORKER) as settings, joined(server_of(settings)) as server:
        workers.run(settings, server)


@main.command(name="migrate")
def migrate_() -> None:
    """Bring the database's schema to date; the processes also do it when they start."""
    with _started(Role.COMMAND) as settings, joined(server_of(settings)) as server:
        applied = migrate(server)
        click.echo(f"applied: {', '.join(applied)}" if applied else "up to date")


@main.command()
@click.argument("mapping", required=False, type=click.Path(path_type=Path))
@click.option(
    "--manifest", type=click.Path(path_type=Path), help="Of the dbt project: try all words."
)
@click.option(
    "--most",
    default=500,
    show_default=True,
    type=click.IntRange(min=1),
    help="Nodes that a word may select there without a warning.",
)
@click.option("--strict", "is_strict", is_flag=True, help="Take every warning for a problem.")
@as_json
def check(
    mapping: Path | None, manifest: Path | None, most: int, *, is_strict: bool, wants_json: bool
) -> None:
    """Check the settings and the mapping file; or only MAPPING, if one is given.

    With a manifest.json, as `dbt parse` writes it to target/, also what the words of depends_on
    select there: nothing, or only what is disabled, is a problem; a name in several packages, or
    very many nodes, a warning.
    """
    from relay.check import (  # noqa: PLC0415
        check_everything,
        check_mapping,
        strictly,
        with_manifest,
    )

    report = check_everything() if mapping is None else check_mapping(mapping)
    if manifest is not None:
        report = with_manifest(report, manifest, most=most)
    if is_strict:
        report = strictly(report)
    if wants_json:
        _print_json(report)
    else:
        for problem in report.problems:
            click.echo(problem, err=True)
        for warning in report.warnings:
            click.echo(f"warning: {warning}", err=True)
        if not report.problems:
            click.echo(f"{report.mapping}: {_count(report.syncs, 'sync')}, no problem")
    sys.exit(report.exit_status)


@main.command()
@as_json
def config(*, wants_json: bool) -> None:
    """Show the settings in effect; secrets are masked."""
    described = settings_or_exit(Role.COMMAND).describe()
    if wants_json:
        _print_json(described)
        return
    for name, value in described.items():
        click.echo(f"{name}={','.join(value) if isinstance(value, list) else value or ''}")


@main.command()
@click.option("--newest", default=10, show_default=True, help="How many of each to show.")
@as_json
def status(newest: int, *, wants_json: bool) -> None:
    """Show the newest deliveries and triggers, and the sync runs that are open."""
    from relay.status import describe, look  # noqa: PLC0415

    with _on_database() as (_, server):
        overview = look(server, newest=newest)
    if wants_json:
        _print_json(overview)
    else:
        click.echo(describe(overview))


@main.command()
@of_run
@as_json
def plan(dbt_run_id: int, *, wants_json: bool) -> None:
    """Show what relay would do after a dbt run, and do nothing."""
    from relay.explain import describe_plan, plan_run  # noqa: PLC0415

    with _on_database() as (settings, server):
        planned = plan_run(server, settings, dbt_run_id)
    if wants_json:
        _print_json(planned)
    else:
        click.echo(describe_plan(planned))


@main.command()
@click.option("--sync", "sync_id", required=True, type=click.IntRange(min=1), help="Its id.")
@click.option("--run", "dbt_run_id", type=click.IntRange(min=1), help="The dbt run's id.")
@click.option("--last", is_flag=True, help="The last run that concerned the sync.")
@click.option("--workspace", default=DEFAULT_WORKSPACE, show_default=True)
@as_json
def explain(
    sync_id: int, dbt_run_id: int | None, *, last: bool, workspace: str, wants_json: bool
) -> None:
    """Tell why a sync was triggered or withheld for a dbt run: all that was judged."""
    from relay.explain import describe_explanation, explain_sync  # noqa: PLC0415

    if (dbt_run_id is None) is not last:
        raise click.UsageError("say which run: either --run ID or --last")
    with _on_database() as (settings, server):
        explained = explain_sync(
            server, settings, workspace=workspace, sync_id=sync_id, dbt_run_id=dbt_run_id
        )
    if explained is None:
        click.echo(f"no dbt run has concerned sync {sync_id} yet", err=True)
        sys.exit(PROBLEM)
    if wants_json:
        _print_json(explained)
    else:
        click.echo(describe_explanation(explained))


@main.command()
@click.option("--run", "dbt_run_id", type=click.IntRange(min=1), help="Of this dbt run.")
@click.option("--delivery", "delivery_id", type=click.UUID, help="Of the run it told of.")
@click.option("--since", type=Duration(), help="Of all runs told of since so long ago: 6h, 2d.")
@click.option("--until", type=Duration(), default=None, help="With --since: but so long ago.")
@click.option("--dry-run", "only_shows", is_flag=True, help="Show what it would do; do nothing.")
@click.option(
    "--again", "redo", flag_value="everything", default="nothing", help="Also what was triggered."
)
@as_json
def replay(
    dbt_run_id: int | None,
    delivery_id: UUID | None,
    since: int | None,
    until: int | None,
    redo: str,
    *,
    only_shows: bool,
    wants_json: bool,
) -> None:
    """Have dbt runs examined and decided again, by the mapping as it is now.

    A sync that was triggered for a run is left alone, unless with --again; one that Census refused
    to start is not. Runs that were given up, or that nobody told of, are examined as if new.
    """
    from relay import replay as replays  # noqa: PLC0415
    from relay.store import Redo  # noqa: PLC0415

    if sum(each is not None for each in (dbt_run_id, delivery_id, since)) != 1:
        raise click.UsageError("say what to replay: one of --run, --delivery and --since")
    if until is not None and since is None:
        raise click.UsageError("--until goes with --since")
    with _on_database() as (settings, server):
        asked = replays.Asked(dbt_run_id, delivery_id, since, until or 0)
        dbt_run_ids = replays.runs_asked_for(server, settings, asked)
        do = replays.preview if only_shows else replays.replay_run
        came_to = []
        for each in dbt_run_ids:
            came_to.append(do(server, settings, each, Redo(redo)))
            if not wants_json:
                click.echo(replays.describe(came_to[-1]))
    if wants_json:
        _print_json(came_to)
    elif not dbt_run_ids:
        click.echo("no dbt run was told of in that time")


@main.command()
@click.argument("sync_id", type=click.IntRange(min=1))
@click.option("--workspace", default=DEFAULT_WORKSPACE, show_default=True)
@click.option("--full-sync", "records", flag_value="all", default="mapped", help="All records.")
def trigger(sync_id: int, workspace: str, records: str) -> None:
    """Have a sync triggered now, without a dbt run; it waits for its run under way."""
    from relay import by_hand  # noqa: PLC0415

    with _on_database() as (settings, server):
        which = by_hand.Records(records)
        by_hand.trigger(server, load(settings.mapping), workspace, sync_id, which, now=utc_now())
    click.echo(f"sync {sync_id}: a worker will trigger it, see `relay status`")


@main.command()
@click.argument("file", type=click.File("rb"))
@click.option("--to", "url", required=True, help="Where relay listens: https://…/webhooks/dbt")
def send(file: BinaryIO, url: str) -> None:
    """Sign the event in FILE (- for stdin) with the first webhook secret, and deliver it."""
    from relay.send import deliver  # noqa: PLC0415

    settings = settings_or_exit(Role.COMMAND)
    with told():
        answer = deliver(file.read(), url, settings)
    click.echo(f"HTTP {answer.http_status} {answer.body}")
    sys.exit(0 if answer.accepted else PROBLEM)


@main.command()
@click.option("--dbt-port", default=8081, show_default=True)
@click.option("--census-port", default=8082, show_default=True)
def sandbox(dbt_port: int, census_port: int) -> None:
    """Run a stand-in dbt Cloud and a stand-in Census on this machine, until Ctrl-C."""
    from relay.sandbox.command import serve  # noqa: PLC0415

    serve(dbt_port=dbt_port, census_port=census_port)


@main.command()
def demo() -> None:
    """Watch a dbt run become Census sync runs: the real service, on the sandbox."""
    from relay.sandbox.demo import run  # noqa: PLC0415

    sys.exit(run())


@contextmanager
def _started(role: Role) -> Iterator[Settings]:
    """The settings, with logging set up; relay's own errors end the command in words."""
    settings = settings_or_exit(role)
    # A command's own words have stdout for themselves.
    logs.configure(settings, to=sys.stderr if role is Role.COMMAND else sys.stdout)
    with told():
        yield settings


@contextmanager
def _on_database() -> Iterator[tuple[Settings, Server]]:
    """The settings, and the server with its schema up to date: for what a command asks."""
    with _started(Role.COMMAND) as settings, joined(server_of(settings)) as server:
        migrate(server)
        yield settings, server


def _print_json(value: object) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
