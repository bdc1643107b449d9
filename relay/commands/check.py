"""`relay check`: every problem and warning, a line each."""

from pathlib import Path

import click

from relay.commands.progress import progress
from relay.commands.session import print_json
from relay.operations.check import Report, check, strictly


def run(
    mapping: Path | None, manifest: Path | None, *, most: int, is_strict: bool, wants_json: bool
) -> int:
    """Check, print what was found, and return the exit status."""
    with progress(f"Reading {manifest or 'the mapping'}"):
        report = check(mapping, manifest, most=most)
    if is_strict:
        report = strictly(report)
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
