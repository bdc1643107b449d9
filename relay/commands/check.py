"""`relay check`: every problem and warning, one a line."""

from pathlib import Path

import click

from relay.commands.progress import progress
from relay.commands.session import print_json
from relay.operations.check import Report, as_strict, check


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


def _print(report: Report) -> None:
    for problem in report.problems:
        click.echo(problem, err=True)
    for warning in report.warnings:
        click.echo(f"warning: {warning}", err=True)
    if not report.problems:
        syncs = f"{report.syncs} sync" if report.syncs == 1 else f"{report.syncs} syncs"
        click.echo(f"OK: {syncs} in {report.mapping}")
