"""`relay init`: asks for settings, checks them, and writes relay.env and a mapping file."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeVar

import click

from relay.errors import BadArtifact, BadSettings, CannotWrite, Problem, VendorError
from relay.operations.init import (
    BY_NAME,
    CENSUS,
    DBT_CLOUD,
    WEBHOOK,
    DbtCheck,
    check_census,
    check_dbt_cloud,
    read_texts,
)
from relay.operations.new_files import NewFile, write_new
from relay.operations.starter import mapping_text, settings_text
from relay.secret import UNFILLED
from relay.settings import environment_of, mapping_settings
from relay.terminal import exit_on_error

Result = TypeVar("Result")

OWNER_ONLY, WORLD_READABLE = 0o600, 0o644

_QUESTIONS = {
    "DBT_CLOUD_URL": "dbt Cloud's access URL, such as https://ab123.us1.dbt.com",
    "DBT_CLOUD_ACCOUNT_ID": "dbt Cloud's account id",
    "DBT_CLOUD_TOKEN": "A dbt Cloud token that may read runs (not shown)",
    "CENSUS_URL": "Census's URL (https://app-eu.getcensus.com for the EU region)",
    "CENSUS_API_VERSION": "Census's API version: auto, v1 or v2",
    "CENSUS_API_KEY": "A Census workspace API key or personal access token (not shown)",
    "DBT_CLOUD_WEBHOOK_SECRETS": (
        "The dbt Cloud webhook's secret (not shown; leave empty if there is no webhook yet)"
    ),
}


class Prompts(Enum):
    """Whether to prompt for settings that are not set."""

    ASK = "ask"
    NEVER = "never"


class Checks(Enum):
    """Whether to check the values with the vendors."""

    VENDORS = "vendors"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class InitOptions:
    """The options of `relay init`; `options` has settings by variable, also NAME_FILE."""

    options: Mapping[str, str]
    settings_file: Path
    prompts: Prompts
    checks: Checks


def run(wanted: InitOptions) -> None:
    """Ask, check, then write the files."""
    with exit_on_error():
        _require_new(wanted.settings_file)
        texts, checked = _Setup(wanted).collect()
        mapping = mapping_settings().path
        files = list(_files(wanted.settings_file, mapping, texts, checked))
        write_new(files)
    _print_next_steps(wanted.settings_file, mapping, [file.path for file in files], texts, checked)


class _Setup:
    """Collects the settings: those given, and the answers to prompts."""

    def __init__(self, wanted: InitOptions) -> None:
        self._wanted = wanted
        self._texts = read_texts(_given(wanted.options))
        self._rejected: dict[str, str] = {}

    def collect(self) -> tuple[dict[str, str], DbtCheck]:
        """All settings, and the result of checking those of dbt Cloud.

        Raises BadSettings, VendorError, BadArtifact.
        """
        if self._wanted.prompts is Prompts.NEVER:
            self._require_complete()
        elif self._texts:
            click.echo(f"Not asked for, because it is set: {', '.join(self._texts)}", err=True)
        checked = self._group(DBT_CLOUD, check_dbt_cloud) or DbtCheck()
        self._group(CENSUS, check_census)
        self._ask_for(WEBHOOK)
        return {name: self._texts[name] for name in BY_NAME if name in self._texts}, checked

    def _require_complete(self) -> None:
        missing = [name for name in (*DBT_CLOUD, *CENSUS) if self._is_missing(name)]
        if missing:
            what = "is not set: set it, or give it by an option of `relay init`"
            raise BadSettings(tuple(Problem(name, what) for name in missing))

    def _is_missing(self, name: str) -> bool:
        return name not in self._texts and BY_NAME[name].default is None

    def _group(
        self, names: tuple[str, ...], check: Callable[[Mapping[str, str]], Result]
    ) -> Result | None:
        """Ask for missing settings until the check succeeds; None if they are not checked."""
        while True:
            self._ask_for(names)
            if self._wanted.checks is Checks.NONE:
                return None
            try:
                result = check(self._texts)
            except (VendorError, BadArtifact) as exc:
                if self._wanted.prompts is Prompts.NEVER:
                    raise
                click.echo(f"Error: {exc}", err=True)
            else:
                click.echo(f"OK: {', '.join(names)}", err=True)
                return result
            if click.confirm("Keep these values anyway?", err=True):
                return None
            self._rejected = {name: self._texts.pop(name, "") for name in names}

    def _ask_for(self, names: tuple[str, ...]) -> None:
        for name in names:
            if name not in self._texts:
                self._texts |= self._answered(name)

    def _answered(self, name: str) -> dict[str, str]:
        """The variable with its value; empty if the default is used."""
        if self._wanted.prompts is Prompts.NEVER:
            return {name: UNFILLED} if name in WEBHOOK else {}
        while True:
            text = _ask(name, self._rejected.get(name))
            if name in WEBHOOK and not text:
                return {name: UNFILLED}
            try:
                return read_texts({name: text})
            except BadSettings as exc:
                click.echo(f"Error: {exc}", err=True)


def _ask(name: str, earlier: str | None) -> str:
    """Prompt for a value. The default is the earlier answer, unless it is secret."""
    variable = BY_NAME[name]
    offered = None if variable.is_secret else earlier or variable.default
    answer: str = click.prompt(
        _QUESTIONS[name],
        default="" if name in WEBHOOK else offered,
        show_default=not variable.is_secret,
        hide_input=variable.is_secret,
        err=True,
    )
    return answer


def _given(options: Mapping[str, str]) -> dict[str, str]:
    """The values of the environment and the options; an option overrides a variable."""
    names = [*DBT_CLOUD, *CENSUS, *WEBHOOK]
    given = environment_of([*names, *(f"{name}_FILE" for name in names if BY_NAME[name].is_secret)])
    for option in options:
        given.pop(option.removesuffix("_FILE"), None)
    return given | dict(options)


def _require_new(path: Path) -> None:
    if path.exists():
        raise CannotWrite(f"{path} is there already: relay overwrites nothing; move it away")


def _files(
    settings_file: Path, mapping: Path, texts: Mapping[str, str], checked: DbtCheck
) -> Iterator[NewFile]:
    own = environment_of(["RELAY_MAPPING"])
    yield NewFile(
        settings_file,
        settings_text({**texts, **own}, path=_in_a_shell(settings_file)),
        OWNER_ONLY,
    )
    if not mapping.exists():
        yield NewFile(mapping, mapping_text(checked.account), WORLD_READABLE)


def _in_a_shell(path: Path) -> str:
    """A path for the shell's `.` command, which searches PATH for a bare name."""
    return str(path) if path.is_absolute() else f"./{path}"


def _print_next_steps(
    settings_file: Path,
    mapping: Path,
    written: list[Path],
    texts: Mapping[str, str],
    checked: DbtCheck,
) -> None:
    for path in written:
        click.echo(f"Wrote {path}{', readable only by you' if path == settings_file else ''}.")
    if mapping not in written:
        click.echo(f"{mapping} exists already and was not changed.")
    if checked.problem:
        click.echo(f"warning: dbt Cloud's environments are not known: {checked.problem}", err=True)
    click.echo("Next:")
    for number, step in enumerate(_steps(settings_file, mapping, texts, checked), 1):
        click.echo(f"  {number}. {step}")


def _steps(
    settings_file: Path, mapping: Path, texts: Mapping[str, str], checked: DbtCheck
) -> Iterator[str]:
    yield f"Write your syncs into {mapping}."
    if texts["DBT_CLOUD_WEBHOOK_SECRETS"] == UNFILLED:
        yield (
            "Make a webhook in dbt Cloud (event Run completed, endpoint https://HOST/webhooks/dbt)"
            f" and write its secret into {settings_file}."
        )
    yield f"set -a; . {shlex.quote(_in_a_shell(settings_file))}; set +a"
    yield "relay check"
    run = checked.last_run_id or "ID"
    yield f"relay plan --run {run}   # what relay would do after a dbt run; it triggers nothing"
    yield "relay up"
