"""All problems of the settings and the mapping file, at once."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from relay.clock import utc_now
from relay.dbt.manifest import Lineage, read_disabled, read_manifest
from relay.dbt.selection import Selection
from relay.dbt.selectors import Selector, has_wildcards
from relay.decision.mapping import SyncMapping, named_syncs
from relay.errors import BadArtifact, BadMapping, BadSettings
from relay.mapping_file import load, load_file
from relay.notation import printable
from relay.operations.api_versions import version_warnings
from relay.postgres.pooler import require_sessions
from relay.postgres.server import server_of
from relay.settings import ServiceSettings, WorkerSettings, mapping_settings, secret_in
from relay.spelling import nearest
from relay.terminal import PROBLEM, WRONG_SETTINGS
from relay.variables import misspelled_in
from relay.vendors.channels import problems_of

MOST_NAMED = 5  # nodes in one warning
MOST_GUESSED = 50  # selectors: if more are missing, it is another project, and suggestions are slow


@dataclass(frozen=True, slots=True)
class Report:
    """All problems and warnings, and the exit status of the command."""

    mapping: str
    syncs: int
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    exit_status: int


def check(
    mapping: Path | None,
    manifest: Path | None,
    *,
    max_nodes: int = 500,
    environment: Mapping[str, str] | None = None,
) -> Report:
    """Check the settings of every process and their mapping file, or only the given file.

    If an external database responds, check too whether its connection pooler works with relay.

    With a manifest.json, check what the selectors of the mapping select there. One that selects
    nothing, or only disabled nodes, is a problem; a name in several packages, and a selector of
    more than `max_nodes` nodes, is a warning. `environment` is None for that of this process.
    """
    named = mapping_settings(environment)
    path = mapping or named.path
    of_settings = _Found() if mapping else _check_settings(named.environment)
    parsed, wrong_mapping = _read_mapping(path, load_file if mapping else load, named.census_hosts)
    found = [of_settings, _Found(problems=wrong_mapping)]
    if parsed and not mapping:
        found.append(_check_workspaces(named.environment, parsed))
        found.append(_check_channels(named.environment, parsed))
    if parsed:
        found.append(_Found(warnings=tuple(_syncs_of_every_environment(parsed))))
    if parsed and manifest:
        found.append(_check_selectors(parsed, manifest, max_nodes))
    # A key may be the settings' own and a workspace's too.
    problems = tuple(dict.fromkeys(chain.from_iterable(part.problems for part in found)))
    return Report(
        mapping=str(path),
        syncs=len(parsed.syncs) if parsed else 0,
        problems=problems,
        warnings=tuple(chain.from_iterable(part.warnings for part in found)),
        exit_status=WRONG_SETTINGS if of_settings.problems else PROBLEM if problems else 0,
    )


def as_strict(report: Report) -> Report:
    """The same report with warnings as problems."""
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
    """Problems and warnings about the workspaces of the mapping file."""
    problems = tuple(_problems_of_keys(environment, mapping))
    try:
        settings = WorkerSettings.from_environment(environment)
    except BadSettings:  # reported with the other problems
        return _Found(problems)
    warnings = version_warnings(
        settings.census_url, settings.census_api_version, mapping, utc_now().date()
    )
    return _Found(problems, tuple(warnings))


def _check_channels(environment: Mapping[str, str], mapping: SyncMapping) -> _Found:
    """Problems of the variables that the channels of the mapping file name."""
    channels = mapping.channels.values()
    problems = chain.from_iterable(problems_of(each, environment) for each in channels)
    return _Found(tuple(map(str, problems)))


def _syncs_of_every_environment(mapping: SyncMapping) -> Iterator[str]:
    syncs = mapping.of_every_environment
    if syncs:
        yield (
            f"{named_syncs(syncs)}: neither `jobs` nor `environments` is set, so that the runs of "
            "every environment trigger, those of staging too; write `defaults: {environments: "
            "[ID]}`, with the id of your production environment in dbt Cloud"
        )


def _check_selectors(mapping: SyncMapping, path: Path, max_nodes: int) -> _Found:
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
        warnings=(
            *_ambiguous_names(selected, lineage),
            *_selectors_of_many_nodes(selected, max_nodes),
        ),
    )


class _Selected(NamedTuple):
    """A selector of the mapping, its place in the file, and what it selects."""

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
    """A name or unique_id of the project that is similar to one in the selector."""
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


def _selectors_of_many_nodes(selected: Iterable[_Selected], max_nodes: int) -> Iterator[str]:
    for place, selector, nodes in selected:
        if len(nodes) > max_nodes:
            yield f"{place}: {selector.text!r} selects {len(nodes)} nodes, more than {max_nodes}"


def _problems_of_keys(environment: Mapping[str, str], mapping: SyncMapping) -> Iterator[str]:
    """What is wrong with the API keys that the mapping file names."""
    for workspace in mapping.workspaces.values():
        name = workspace.api_key_env
        try:
            if secret_in(environment, name) is None:
                yield f"{name}: is not set, and workspace {workspace.name} needs it"
        except BadSettings as exc:
            yield from map(str, exc.problems)
