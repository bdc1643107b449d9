"""`relay init`: asks for the settings, tries them, and writes relay.env and a mapping file."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeVar

import click

from relay.errors import BadArtifact, BadSettings, CannotWrite, Problem, VendorError
from relay.operations.init import (
    CENSUS,
    DBT_CLOUD,
    TAKEN,
    WEBHOOK,
    Tried,
    read_texts,
    try_census,
    try_dbt_cloud,
)
from relay.operations.new_files import NewFile, write_new
from relay.operations.starter import mapping_text, settings_text
from relay.secret import UNFILLED
from relay.settings import environment_of, mapping_settings
from relay.terminal import exit_on_error

Result = TypeVar("Result")

FOR_ITS_OWNER, FOR_ALL = 0o600, 0o644

_QUESTIONS = {
    "DBT_CLOUD_URL": "dbt Cloud's access URL, such as https://ab123.us1.dbt.com",
    "DBT_CLOUD_ACCOUNT_ID": "dbt Cloud's account id",
    "DBT_CLOUD_TOKEN": "A dbt Cloud token that may read runs (not shown)",
    "CENSUS_URL": "Census's URL; https://app-eu.getcensus.com is the EU's",
    "CENSUS_API_VERSION": "Census's API, v1 or v2",
    "CENSUS_API_KEY": "v1: the workspace's API key; v2: an Activations access token (not shown)",
    "DBT_CLOUD_WEBHOOK_SECRETS": (
        "The dbt Cloud webhook's secret (not shown; nothing if there is no webhook yet)"
    ),
}


class Answers(Enum):
    """Who answers what no option and no variable does."""

    PERSON = "person"
    NOBODY = "nobody"


class Checks(Enum):
    """Where the values are tried."""

    VENDORS = "vendors"
    NOWHERE = "nowhere"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person wants of `relay init`; `options` are settings, as variables or NAME_FILE."""

    options: Mapping[str, str]
    settings_file: Path
    answers: Answers
    checks: Checks


def run(wanted: Wanted) -> None:
    """Ask, try, and write; nothing is written before all is known."""
    with exit_on_error():
        _must_be_new(wanted.settings_file)
        texts, tried = _Setup(wanted).collect()
        mapping = mapping_settings().path
        files = list(_files(wanted.settings_file, mapping, texts, tried))
        write_new(files)
    _say_what_is_next(wanted.settings_file, mapping, [file.path for file in files], texts, tried)


class _Setup:
    """The settings so far, and where the others come from."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._texts = read_texts(_given(wanted.options))
        self._did_not_work: dict[str, str] = {}

    def collect(self) -> tuple[dict[str, str], Tried]:
        """All settings in the order of the README, and what dbt Cloud said.

        Raises BadSettings, VendorError, BadArtifact.
        """
        if self._wanted.answers is Answers.NOBODY:
            self._must_be_complete()
        elif self._texts:
            click.echo(f"Not asked for, because it is set: {', '.join(self._texts)}", err=True)
        tried = self._group(DBT_CLOUD, try_dbt_cloud) or Tried()
        self._group(CENSUS, try_census)
        self._ask_for(WEBHOOK)
        return {name: self._texts[name] for name in TAKEN if name in self._texts}, tried

    def _must_be_complete(self) -> None:
        missing = [name for name in (*DBT_CLOUD, *CENSUS) if self._is_open(name)]
        if missing:
            what = "is not set: set it, or give it by an option of `relay init`"
            raise BadSettings(tuple(Problem(name, what) for name in missing))

    def _is_open(self, name: str) -> bool:
        return name not in self._texts and TAKEN[name].default is None

    def _group(
        self, names: tuple[str, ...], try_them: Callable[[Mapping[str, str]], Result]
    ) -> Result | None:
        """Ask for what is not known yet, and try it until it works; None where it is not tried."""
        while True:
            self._ask_for(names)
            if self._wanted.checks is Checks.NOWHERE:
                return None
            try:
                result = try_them(self._texts)
            except (VendorError, BadArtifact) as exc:
                if self._wanted.answers is Answers.NOBODY:
                    raise
                click.echo(f"Error: {exc}", err=True)
            else:
                click.echo(f"OK: {', '.join(names)}", err=True)
                return result
            if click.confirm("Keep these values anyway?", err=True):
                return None
            self._did_not_work = {name: self._texts.pop(name, "") for name in names}

    def _ask_for(self, names: tuple[str, ...]) -> None:
        for name in names:
            if name not in self._texts:
                self._texts |= self._answered(name)

    def _answered(self, name: str) -> dict[str, str]:
        """A variable with its text; none where its default does."""
        if self._wanted.answers is Answers.NOBODY:
            return {name: UNFILLED} if name in WEBHOOK else {}
        while True:
            text = _ask(name, self._did_not_work.get(name))
            if name in WEBHOOK and not text:
                return {name: UNFILLED}
            try:
                return read_texts({name: text})
            except BadSettings as exc:
                click.echo(f"Error: {exc}", err=True)


def _ask(name: str, earlier: str | None) -> str:
    """What a person answers; an earlier answer, unless it is secret, is offered again."""
    variable = TAKEN[name]
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
    """What the environment and the options give; an option goes before a variable."""
    names = [*DBT_CLOUD, *CENSUS, *WEBHOOK]
    given = environment_of([*names, *(f"{name}_FILE" for name in names if TAKEN[name].is_secret)])
    for option in options:
        given.pop(option.removesuffix("_FILE"), None)
    return given | dict(options)


def _must_be_new(path: Path) -> None:
    if path.exists():
        raise CannotWrite(f"{path} is there already: relay overwrites nothing; move it away")


def _files(
    settings_file: Path, mapping: Path, texts: Mapping[str, str], tried: Tried
) -> Iterator[NewFile]:
    own = environment_of(["RELAY_MAPPING"])
    yield NewFile(
        settings_file,
        settings_text({**texts, **own}, path=_in_a_shell(settings_file)),
        FOR_ITS_OWNER,
    )
    if not mapping.exists():
        yield NewFile(mapping, mapping_text(tried.account), FOR_ALL)


def _in_a_shell(path: Path) -> str:
    """A path for the command `.`, which looks a bare name up elsewhere."""
    return str(path) if path.is_absolute() else f"./{path}"


def _say_what_is_next(
    settings_file: Path, mapping: Path, written: list[Path], texts: Mapping[str, str], tried: Tried
) -> None:
    for path in written:
        click.echo(f"Wrote {path}{', readable only by you' if path == settings_file else ''}.")
    if mapping not in written:
        click.echo(f"{mapping} exists already and was not changed.")
    if tried.problem:
        click.echo(f"warning: dbt Cloud's environments are not known: {tried.problem}", err=True)
    click.echo("Next:")
    for number, step in enumerate(_steps(settings_file, mapping, texts, tried), 1):
        click.echo(f"  {number}. {step}")


def _steps(
    settings_file: Path, mapping: Path, texts: Mapping[str, str], tried: Tried
) -> Iterator[str]:
    yield f"Write your syncs into {mapping}."
    if texts["DBT_CLOUD_WEBHOOK_SECRETS"] == UNFILLED:
        yield (
            "Make a webhook in dbt Cloud (event Run completed, endpoint https://HOST/webhooks/dbt)"
            f" and write its secret into {settings_file}."
        )
    yield f"set -a; . {shlex.quote(_in_a_shell(settings_file))}; set +a"
    yield "relay check"
    run = tried.last_run_id or "ID"
    yield f"relay plan --run {run}   # what relay would do after a dbt run; it triggers nothing"
    yield "relay up"
