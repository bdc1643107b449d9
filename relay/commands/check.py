"""`relay check`: every problem and warning, one a line."""

import sys
from dataclasses import replace
from pathlib import Path

import click

from relay import logs
from relay.commands.progress import progress
from relay.commands.session import print_json, without_a_new_data_folder
from relay.errors import BadSettings
from relay.operations import check_online as online
from relay.operations.check import Report, as_strict, check
from relay.settings import WorkerSettings, mapping_settings


def run(
    mapping: Path | None,
    manifest: Path | None,
    *,
    max_nodes: int,
    is_strict: bool,
    wants_json: bool,
) -> int:
    """Check, print what was found, and return the exit status."""
    with progress(f"Reading {manifest or 'the mapping'}"):
        report = check(mapping, manifest, max_nodes=max_nodes)
    if is_strict:
        report = as_strict(report)
    (print_json if wants_json else _print)(report)
    return report.exit_status


def run_online(
    mapping: Path | None,
    manifest: Path | None,
    *,
    max_nodes: int,
    is_strict: bool,
    wants_json: bool,
) -> int:
    """Check also what dbt Cloud and Census say, print it all, and return the exit status."""
    with progress("Reading the mapping") as shown:
        offline = check(mapping, manifest, max_nodes=max_nodes)
        try:
            settings = WorkerSettings.from_environment(mapping_settings().environment)
        except BadSettings as exc:
            report = online.not_asked(offline, exc.problems)
        else:
            logs.configure(replace(settings, log_level="error"), to=sys.stderr)
            with without_a_new_data_folder(settings) as usable:
                report = online.check_online(offline, usable, mapping, manifest, shown.update)
    if is_strict:
        report = online.as_strict(report)
    if wants_json:
        print_json(report)
        return report.exit_status
    for note in report.notes:
        click.echo(f"note: {note}", err=True)
    for unchecked in report.not_checked:
        click.echo(f"not checked: {unchecked}", err=True)
    _print(report)
    return report.exit_status


def _print(report: Report | online.OnlineReport) -> None:
    for problem in report.problems:
        click.echo(problem, err=True)
    for warning in report.warnings:
        click.echo(f"warning: {warning}", err=True)
    if not report.exit_status:
        syncs = f"{report.syncs} sync" if report.syncs == 1 else f"{report.syncs} syncs"
        click.echo(f"OK: {syncs} in {report.mapping}")
