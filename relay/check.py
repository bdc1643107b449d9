"""`relay check`: everything that is wrong with the settings and the mapping file, at once."""

from dataclasses import dataclass
from pathlib import Path

from relay.census import V1_ENDS, speaks_v1
from relay.errors import BadMapping, BadSettings
from relay.exits import PROBLEM, WRONG_SETTINGS
from relay.mapping_file import load
from relay.settings import Role, Settings


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. `exit_status` is what a command should end with."""

    mapping: str
    syncs: int
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    exit_status: int


def check_everything() -> Report:
    """Check the settings of every process, and the mapping file they name."""
    try:
        settings = Settings.from_environment(Role.SERVICE)
    except BadSettings as exc:
        of_mapping = check_mapping(Settings.mapping_path())
        problems = (*(str(problem) for problem in exc.problems), *of_mapping.problems)
        return Report(of_mapping.mapping, of_mapping.syncs, problems, (), WRONG_SETTINGS)
    of_mapping = check_mapping(settings.mapping)
    problems = (*of_mapping.problems, *_missing_keys(settings))
    status = PROBLEM if problems else 0
    warnings = () if problems else _warnings(settings)
    return Report(of_mapping.mapping, of_mapping.syncs, problems, warnings, status)


def check_mapping(path: Path) -> Report:
    """Check a mapping file alone."""
    try:
        mapping = load(path)
    except BadMapping as exc:
        problems = tuple(str(problem) for problem in exc.problems)
        return Report(str(path), 0, problems, (), PROBLEM)
    return Report(str(path), len(mapping.syncs), (), (), 0)


def _missing_keys(settings: Settings) -> tuple[str, ...]:
    try:
        workspaces = load(settings.mapping).workspaces.values()
    except BadMapping:
        return ()
    return tuple(
        f"{workspace.api_key_env}: is not set, and workspace {workspace.name} needs it"
        for workspace in workspaces
        if settings.secret_named(workspace.api_key_env) is None
    )


def _warnings(settings: Settings) -> tuple[str, ...]:
    if speaks_v1(settings, load(settings.mapping)):
        return (f"CENSUS_API_VERSION: v1 is retired by its vendor on {V1_ENDS}; v2 is ready here",)
    return ()
