"""`relay mapping`: the mapping file out of Census and dbt, and dbt exposures out of it."""

import sys
from pathlib import Path

import click

from relay.cli.options import AN_ID
from relay.workspaces import DEFAULT_WORKSPACE

A_PATH = click.Path(path_type=Path)

of_jobs = click.option(
    "--job",
    "dbt_job_ids",
    multiple=True,
    type=AN_ID,
    help="Take the manifest of its newest run; may be given several times. Default: mapped jobs.",
)
of_manifest = click.option(
    "--manifest", type=A_PATH, help="Take this manifest.json, and ask dbt Cloud nothing."
)
to_new_file = click.option(
    "--out", type=A_PATH, help="Write a new file; one that is there is left alone."
)
to_mapping = click.option(
    "--append", "appended", type=A_PATH, help="Add the syncs that this mapping file lacks."
)


@click.group()
def mapping() -> None:
    """Write the mapping file from what Census and dbt know."""


@mapping.command(name="from-census")
@of_jobs
@of_manifest
@click.option(
    "--workspace",
    "workspaces",
    multiple=True,
    help=f"Only this one; may be given several times. Default: {DEFAULT_WORKSPACE} and all of the "
    "mapping file.",
)
@to_new_file
@to_mapping
def from_census(
    dbt_job_ids: tuple[int, ...],
    manifest: Path | None,
    workspaces: tuple[str, ...],
    out: Path | None,
    appended: Path | None,
) -> None:
    """Print a mapping file with every Census sync and the dbt models that build what it reads.

    A table is matched exactly. What SQL reads is a guess, and marked `# guess:`. What a person has
    to settle is in comments marked `# ask:`, and so are syncs that no dbt model feeds.
    """
    from relay.commands import mapping as command

    where = command.Where(out, _one_of(out, appended))
    what = command.Asked(dbt_job_ids, manifest)
    sys.exit(command.from_census(what, workspaces, where))


@mapping.command(name="from-manifest")
@of_jobs
@of_manifest
@to_new_file
@to_mapping
def from_manifest(
    dbt_job_ids: tuple[int, ...], manifest: Path | None, out: Path | None, appended: Path | None
) -> None:
    """Print a mapping file with every sync that an exposure names in `meta.census.sync_id`.

    Each depends on `exposure:NAME`, so that it follows what the exposure lists.
    """
    from relay.commands import mapping as command

    where = command.Where(out, _one_of(out, appended))
    sys.exit(command.from_manifest(command.Asked(dbt_job_ids, manifest), where))


@mapping.command(name="to-exposures")
@click.argument("file", required=False, type=A_PATH)
@of_jobs
@of_manifest
@click.option("--owner-name", help="The exposures' owner in dbt. Default: data team.")
@click.option("--owner-email", help="Their owner's address.")
@to_new_file
def to_exposures(
    file: Path | None,
    dbt_job_ids: tuple[int, ...],
    manifest: Path | None,
    owner_name: str | None,
    owner_email: str | None,
    out: Path | None,
) -> None:
    """Print dbt exposures, one for each sync of the mapping file, or of FILE.

    With them in a dbt project, its lineage shows each sync and what it depends on.
    """
    from relay.commands import mapping as command

    what = command.Asked(dbt_job_ids, manifest)
    sys.exit(command.to_exposures(what, file, command.owner_of(owner_name, owner_email), out))


def _one_of(out: Path | None, appended: Path | None) -> Path | None:
    if out is not None and appended is not None:
        raise click.UsageError("say where to write: either --out or --append")
    return appended
