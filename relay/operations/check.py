"""Everything that is wrong with the settings and the mapping file, at once."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from relay.dbt.manifest import Lineage, read_disabled, read_manifest
from relay.dbt.selection import Selection
from relay.dbt.selectors import Selector, has_wildcards
from relay.decision.mapping import SyncMapping, named_syncs
from relay.errors import BadArtifact, BadMapping, BadSettings
from relay.mapping_file import load, load_file
from relay.notation import printable
from relay.postgres.pooler import require_sessions
from relay.postgres.server import server_of
from relay.settings import ServiceSettings, WorkerSettings, mapping_settings, secret_in
from relay.spelling import nearest
from relay.terminal import PROBLEM, WRONG_SETTINGS
from relay.variables import misspelled_in
from relay.vendors.census.client import V1_ENDS, speaks_v1

MOST_NAMED = 5  # nodes in one warning
MOST_GUESSED = 50  # selectors: a project without so many is another one, and guesses are slow


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. `exit_status` is what a command should end with."""

    mapping: str
    syncs: int
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    exit_status: int


def check(mapping: Path | None, manifest: Path | None, *, most: int) -> Report:
    """Check the settings of every process and the mapping file they name, or one file alone.

    A named database is looked at, where it answers: whether relay can work with what leads to it.

    With a manifest.json also what the selectors of the mapping select there. One that selects
    nothing, or only what is disabled, is a problem; a name that several packages have, and a
    selector of more than `most` nodes, a warning.
    """
    named = mapping_settings()
    path = mapping or named.path
    of_settings = _Found() if mapping else _check_settings(named.environment)
    parsed, wrong_mapping = _read_mapping(path, load_file if mapping else load, named.census_hosts)
    found = [of_settings, _Found(problems=wrong_mapping)]
    if parsed and not mapping:
        found.append(_check_workspaces(named.environment, parsed))
    if parsed:
        found.append(_Found(warnings=tuple(_syncs_of_every_environment(parsed))))
    if parsed and manifest:
        found.append(_check_selectors(parsed, manifest, most))
    # A key may be the settings' own and a workspace's too.
    problems = tuple(dict.fromkeys(chain.from_iterable(part.problems for part in found)))
    return Report(
        mapping=str(path),
        syncs=len(parsed.syncs) if parsed else 0,
        problems=problems,
        warnings=tuple(chain.from_iterable(part.warnings for part in found)),
        exit_status=WRONG_SETTINGS if of_settings.problems else PROBLEM if problems else 0,
    )


def strictly(report: Report) -> Report:
    """The same report, where every warning is a problem."""
    status = report.exit_status or (PROBLEM if report.warnings else 0)
    problems = (*report.problems, *report.warnings)
    return replace(report, problems=problems, warnings=(), exit_status=status)


class _Found(NamedTuple):
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def _check_settings(environment: Mapping[str, str]) -> _Found:
    warnings = tuple(map(str, misspelled_in(environment)))
    try:
        require_sessions(server_of(ServiceSettings.from_environment(environment)))
    except BadSettings as exc:
        return _Found(tuple(map(str, exc.problems)), warnings)
    return _Found(warnings=warnings)


def _read_mapping(
    path: Path, load: Callable[[Path, frozenset[str]], SyncMapping], census_hosts: frozenset[str]
) -> tuple[SyncMapping | None, tuple[str, ...]]:
    try:
        return load(path, census_hosts), ()
    except BadMapping as exc:
        return None, tuple(map(str, exc.problems))


def _check_workspaces(environment: Mapping[str, str], mapping: SyncMapping) -> _Found:
    """What the environment has for the workspaces of the mapping file."""
    problems = tuple(_problems_of_keys(environment, mapping))
    try:
        settings = WorkerSettings.from_environment(environment)
    except BadSettings:  # reported with all others
        return _Found(problems)
    return _Found(problems, tuple(_warnings(settings, mapping)))


def _syncs_of_every_environment(mapping: SyncMapping) -> Iterator[str]:
    syncs = mapping.of_every_environment
    if syncs:
        yield (
            f"{named_syncs(syncs)}: neither `jobs` nor `environments` is set, so that the runs of "
            "every environment trigger, those of staging too; write `defaults: {environments: "
            "[ID]}`, with the id of your production environment in dbt Cloud"
        )


def _check_selectors(mapping: SyncMapping, path: Path, most: int) -> _Found:
    try:
        manifest = path.read_bytes()
        lineage, disabled = read_manifest(manifest), read_disabled(manifest)
    except BadArtifact as exc:
        return _Found((f"{path}: {exc}",))
    except OSError as exc:
        return _Found((f"{path}: cannot be read: {exc.strerror}",))
    selected = tuple(_selections(mapping, lineage))
    return _Found(
        problems=tuple(_selectors_without_nodes(selected, lineage, disabled)),
        warnings=(*_ambiguous_names(selected, lineage), *_selectors_of_many_nodes(selected, most)),
    )


class _Selected(NamedTuple):
    """A selector of the mapping, where it stands, and what it selects."""

    place: str
    selector: Selector
    nodes: frozenset[str]


def _selections(mapping: SyncMapping, lineage: Lineage) -> Iterator[_Selected]:
    selection = Selection(lineage.rebuildable.keys(), lineage)
    for _, selector, place in mapping.placed_selectors:
        yield _Selected(place, selector, selection.selected_by(selector))


def _selectors_without_nodes(
    selected: Iterable[_Selected], lineage: Lineage, disabled: Lineage
) -> Iterator[str]:
    switched_off = Selection(disabled.rebuildable.keys(), disabled)
    lost = [(place, selector) for place, selector, nodes in selected if not nodes]
    for number, (place, selector) in enumerate(lost):
        if switched_off.selected_by(selector):
            is_so = "selects only what is" if selector.needs_manifest else "is"
            yield f"{place}: {selector.text!r} {is_so} disabled in this project"
        else:
            meant = _meant_by(selector, lineage) if number < MOST_GUESSED else None
            hint = f"; did you mean {printable(meant)!r}?" if meant else ""
            yield f"{place}: {selector.text!r} selects nothing in this project{hint}"


def _meant_by(selector: Selector, lineage: Lineage) -> str | None:
    """A name or unique_id of the project that is nearly what the selector names."""
    for term in selector.terms:
        is_one = term.is_named and not has_wildcards(term.value)
        if is_one and not lineage.index.find(term.method, term.value):
            nodes = lineage.rebuildable.values()
            return nearest(term.value, (getattr(node, term.method) for node in nodes))
    return None


def _ambiguous_names(selected: Iterable[_Selected], lineage: Lineage) -> Iterator[str]:
    for place, selector, nodes in selected:
        packages = {(node.partition(".")[0], lineage.nodes[node].package_name) for node in nodes}
        if len(packages) > 1 and not selector.needs_manifest:
            named = ", ".join(sorted(nodes)[:MOST_NAMED])
            yield (
                f"{place}: {selector.text!r} is the name of several: {named}; "
                "write the unique_id if you mean one"
            )


def _selectors_of_many_nodes(selected: Iterable[_Selected], most: int) -> Iterator[str]:
    for place, selector, nodes in selected:
        if len(nodes) > most:
            yield f"{place}: {selector.text!r} selects {len(nodes)} nodes, more than {most}"


def _problems_of_keys(environment: Mapping[str, str], mapping: SyncMapping) -> Iterator[str]:
    """What is wrong with the API keys that the mapping file names."""
    for workspace in mapping.workspaces.values():
        name = workspace.api_key_env
        try:
            if secret_in(environment, name) is None:
                yield f"{name}: is not set, and workspace {workspace.name} needs it"
        except BadSettings as exc:
            yield from map(str, exc.problems)


def _warnings(settings: WorkerSettings, mapping: SyncMapping) -> Iterator[str]:
    if speaks_v1(settings, mapping):
        yield (
            f"CENSUS_API_VERSION: v1 is retired by its vendor on {V1_ENDS}; relay supports v2 "
            "(docs/setup-census.md)"
        )
