"""The files that `relay init` writes: settings and a starter mapping. No I/O here."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from relay.dbt.environments import DbtEnvironment, DbtJob
from relay.notation import printable

MOST_LISTED = 100  # jobs or environments in comments

_SETTINGS = """\
# relay's settings, written by `relay init`. Keep this file out of version control.
# relay does not read it by itself:
#
#     set -a; . {path}; set +a; relay up
#     EnvironmentFile=…                 in a systemd unit
#     docker run --env-file … relay     in a container
#
# One NAME=value a line. All other settings have defaults: docs/settings.md.
"""
_QUOTED = """\
# A value in quotation marks holds characters that mean something to a shell. docker --env-file
# does not take the marks off: put such a secret into a file, and name it by NAME_FILE.
"""
_MAPPING = """\
# Which Census syncs depend on which dbt models: docs/mapping.md explains every key.
# Check it with `relay check`; a running relay reads a changed file within 10 seconds.

version: 1

"""
_SYNCS = """\
syncs:
  # An example, which triggers nothing while `enabled` is false. The sync's id is in its address
  # in Census, …/syncs/5123. depends_on takes models by name and dbt's selectors, such as tag:crm.
  - sync_id: 5123
    name: customers to Salesforce
    depends_on: [customers]
    enabled: false
"""


@dataclass(frozen=True, slots=True)
class DbtAccount:
    """An account's environments and jobs; empty if they are not known."""

    environments: tuple[DbtEnvironment, ...] = ()
    jobs: tuple[DbtJob, ...] = ()

    @property
    def production(self) -> tuple[DbtEnvironment, ...]:
        """The environments marked as production."""
        return tuple(found for found in self.environments if found.is_production)


def settings_text(values: Mapping[str, str], *, path: str) -> str:
    """The settings file, in a format that shells, systemd and docker read."""
    lines = [f"{name}={shlex.quote(value)}" for name, value in values.items()]
    is_quoted = any(shlex.quote(value) != value for value in values.values())
    head = _SETTINGS.format(path=shlex.quote(path)) + (_QUOTED if is_quoted else "")
    return "\n".join([head, *lines, ""])


def mapping_text(account: DbtAccount) -> str:
    """The mapping file: limited to runs of production, with one example sync."""
    return "\n".join(
        [_MAPPING.rstrip("\n"), "", *defaults_lines(account), "", *_jobs(account), _SYNCS]
    )


def defaults_lines(account: DbtAccount) -> Iterator[str]:
    """The lines of `defaults:`, or how to write them."""
    yield "# Only runs of these environments of dbt Cloud trigger; those of staging do not."
    if account.production:
        yield "defaults:"
        yield f"  environments: {[found.environment_id for found in account.production]}"
        yield from _comments("  ", map(_environment, account.production))
        return
    yield "# Write the id of your production environment, and remove the # in front of both lines."
    yield "# defaults:"
    yield "#   environments: [ID]"
    yield from _comments("", map(_environment, account.environments))


def _jobs(account: DbtAccount) -> Iterator[str]:
    jobs = [job for job in account.jobs if job.may_count]
    if jobs:
        yield "# A sync may list `jobs`, and then only their runs count. This account has:"
        yield from _comments("", (f"{job.dbt_job_id}  {job.name}" for job in jobs))
        yield ""


def _environment(environment: DbtEnvironment) -> str:
    kind = f" ({environment.deployment_type})" if environment.deployment_type else ""
    return f"{environment.environment_id}  {environment.name}{kind}"


def _comments(indent: str, lines: Iterable[str]) -> Iterator[str]:
    listed = list(lines)
    for line in listed[:MOST_LISTED]:
        yield f"{indent}#   {printable(line)}"
    if len(listed) > MOST_LISTED:
        yield f"{indent}#   and {len(listed) - MOST_LISTED} more"
