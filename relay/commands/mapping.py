"""`relay mapping`: prints the text, writes a new file, or adds to one that is there."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from relay.census.exposures import Owner
from relay.census.mapping_text import Entry, Form, entry_lines, file_text
from relay.commands.progress import progress
from relay.commands.session import answering
from relay.dbt.project import Project
from relay.decision.mapping import SyncMapping
from relay.errors import CannotAppend, CannotWrite
from relay.mapping_file import load_file
from relay.operations.mapping_files import append_missing, write_new_mapping
from relay.operations.mapping_from_census import propose_mapping, readers_of
from relay.operations.mapping_project import (
    account_of,
    mapping_in_force,
    project_of_file,
    project_of_runs,
)
from relay.operations.mapping_to_exposures import entries_of_exposures, write_exposures
from relay.operations.new_files import NewFile, write_new
from relay.operations.starter import DbtAccount, defaults_lines
from relay.settings import DbtCloudSettings, MappingSettings, WorkerSettings, mapping_settings
from relay.terminal import PROBLEM, exit_on_error

FOR_ALL = 0o644
UNKNOWN_OWNER = "data team"

_HEAD = """\
# Written by `{command}`. Look at each `# guess:` and `# look:`, settle each `# ask:`,
# and check the file with `relay check`. docs/mapping.md explains every key.

version: 1
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose manifest a person wants: that of a file, of these jobs, or of the mapped jobs."""

    dbt_job_ids: tuple[int, ...]
    manifest: Path | None


@dataclass(frozen=True, slots=True)
class Where:
    """Where a mapping goes: into a new file, to the end of one, or to stdout if neither."""

    out: Path | None
    appended: Path | None


def from_census(asked: Asked, workspaces: Sequence[str], where: Where) -> int:
    """Propose an entry for each sync of Census, write them, and return the exit status."""
    with answering(WorkerSettings) as settings:
        named = mapping_settings()
        mapping = _known_mapping(named, where)
        project = _project(asked, settings, mapping)
        with progress("Reading the syncs of Census"):
            entries = propose_mapping(readers_of(settings, mapping, workspaces), project)
        head = _head("relay mapping from-census", asked, settings)
        return _Output(where, named, mapping, head).give(entries)


def from_manifest(asked: Asked, where: Where) -> int:
    """Propose an entry for each sync of an exposure, write them, and return the exit status."""
    with _settings_for(asked) as settings:
        named = mapping_settings()
        mapping = _known_mapping(named, where)
        project = _project(asked, settings, mapping)
        entries, problems = entries_of_exposures(project, mapping)
        for problem in problems:
            click.echo(f"Error: {problem}", err=True)
        head = _head("relay mapping from-manifest", asked, settings)
        return _Output(where, named, mapping, head).give(entries) or (PROBLEM if problems else 0)


def to_exposures(asked: Asked, file: Path | None, owner: Owner, out: Path | None) -> int:
    """Write dbt exposures for the syncs of a mapping file, and return the exit status."""
    with _settings_for(asked) as settings:
        named = mapping_settings()
        mapping = load_file(file or named.path, named.census_hosts)
        project = _project(asked, settings, mapping)
        written = write_exposures(project, mapping, owner, census_url=named.census_url)
        for reason in written.left_out:
            click.echo(f"left out: {reason}", err=True)
        if out is None:
            click.echo(written.text, nl=False)
        else:
            write_new([NewFile(out, written.text, FOR_ALL)])
            click.echo(f"Wrote {out}.", err=True)
    return 0


def owner_of(name: str | None, email: str | None) -> Owner:
    """The owner that was given; else a placeholder, because dbt requires one."""
    return Owner(name, email) if name or email else Owner(UNKNOWN_OWNER, None)


@contextmanager
def _settings_for(asked: Asked) -> Iterator[DbtCloudSettings | None]:
    """Those that dbt Cloud is asked with; None where a file says all."""
    if asked.manifest is not None:
        with exit_on_error():
            yield None
        return
    with answering(DbtCloudSettings) as settings:
        yield settings


def _known_mapping(named: MappingSettings, where: Where) -> SyncMapping:
    """The mapping whose jobs and workspaces are meant: of the file that is added to, if any."""
    if where.appended is not None:
        return load_file(where.appended, named.census_hosts)
    return mapping_in_force(named.path, named.census_hosts)


def _project(asked: Asked, settings: DbtCloudSettings | None, mapping: SyncMapping) -> Project:
    if asked.manifest is not None or settings is None:
        assert asked.manifest is not None
        return project_of_file(asked.manifest)
    with progress("Reading the newest manifest from dbt Cloud"):
        return project_of_runs(settings, mapping, asked.dbt_job_ids)


def _head(command: str, asked: Asked, settings: DbtCloudSettings | None) -> list[str]:
    is_asked = settings is not None and asked.manifest is None
    account = account_of(settings) if settings is not None and is_asked else DbtAccount()
    return [*_HEAD.format(command=command).splitlines(), "", *defaults_lines(account)]


class _Output:
    """Where the entries of one command go."""

    def __init__(
        self, where: Where, named: MappingSettings, mapping: SyncMapping, head: list[str]
    ) -> None:
        self._where = where
        self._named = named
        self._mapping = mapping
        self._head = head

    def give(self, entries: Sequence[Entry]) -> int:
        """Write or print them, and return the exit status: what cannot be written is printed."""
        try:
            self._write(entries)
        except (CannotWrite, CannotAppend) as exc:
            click.echo(f"Error: {exc}", err=True)
            click.echo(self._text(entries), nl=False)
            return PROBLEM
        return 0

    def _write(self, entries: Sequence[Entry]) -> None:
        if self._where.appended is not None:
            self._append(self._where.appended, entries)
            return
        if self._where.out is not None:
            write_new_mapping(self._where.out, self._text(entries), self._named.census_hosts)
            click.echo(f"Wrote {self._where.out}.", err=True)
        else:
            click.echo(self._text(entries), nl=False)
        _say_how_many(entries)

    def _append(self, path: Path, entries: Sequence[Entry]) -> None:
        addition = append_missing(path, entries, self._named.census_hosts)
        for entry in addition.left_alone:
            click.echo(f"{entry.title} is in a comment of {path}: left alone", err=True)
        if addition.added:
            click.echo(f"Added to {path}:", err=True)
            _say_how_many(addition.added)
        else:
            click.echo(f"{path} lacks nothing: it is as it was.", err=True)

    def _text(self, entries: Sequence[Entry]) -> str:
        if self._where.appended is not None:
            return "".join(f"{line}\n" for line in entry_lines(entries))
        return file_text(self._head, entries, self._mapping.workspaces.values())


def _say_how_many(entries: Sequence[Entry]) -> None:
    counts = {form: sum(entry.form is form for entry in entries) for form in Form}
    guesses = sum(any(line.startswith("guess:") for line in one.comments) for one in entries)
    syncs = "1 sync" if len(entries) == 1 else f"{len(entries)} syncs"
    click.echo(
        f"{syncs}: {counts[Form.ACTIVE]} mapped, {guesses} of them by a guess;"
        f" {counts[Form.COMMENTED]} to settle (# ask:); {counts[Form.LEFT_OUT]} not mapped",
        err=True,
    )
