"""The mapping file: which syncs depend on which models. All problems at once. No I/O here.

The file's form is written down once, in the Structs below: what they say is checked key by
key, and `config/syncs.schema.json` is made from them.
"""

import functools
import hashlib
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec
import yaml

from relay.dbt.runs import DbtRun
from relay.dbt.selectors import Selector, read_selector
from relay.errors import BadMapping, Problem
from relay.notation import read_duration, read_vendor_url
from relay.spelling import did_you_mean
from relay.workspaces import CENSUS_URL, DEFAULT_WORKSPACE, Workspace

WITHIN = 24 * 3600  # seconds
MOST_NESTED = 50  # levels; a mapping file needs five

Value = TypeVar("Value")

# libyaml's, where PyYAML was built with it: ten times as fast on thousands of syncs.
_YamlLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Spot = tuple[int, int]  # line and column, from 1

PositiveId = Annotated[int, msgspec.Meta(gt=0)]
Ids = Annotated[list[PositiveId], msgspec.Meta(min_length=1)]
Words = Annotated[list[str], msgspec.Meta(min_length=1)]
Duration = Annotated[int | str, msgspec.Meta(description="like 15s, 10m, 6h or 7d")]


class DefaultsForm(msgspec.Struct, kw_only=True):
    """`defaults:`, and the keys of a sync that it may set."""

    require: Literal["any", "all"] = "any"
    within: Duration | msgspec.UnsetType = msgspec.UNSET
    tests: Literal["block", "ignore"] = "block"
    at_most_every: Duration | msgspec.UnsetType = msgspec.UNSET
    jobs: Ids | msgspec.UnsetType = msgspec.UNSET
    environments: Ids | msgspec.UnsetType = msgspec.UNSET
    consistency: Literal["block", "ignore"] | msgspec.UnsetType = msgspec.UNSET
    full_sync: bool = False
    enabled: bool = True
    workspace: str = DEFAULT_WORKSPACE


class SyncForm(DefaultsForm, kw_only=True):
    """One of `syncs:`."""

    sync_id: PositiveId
    name: str | msgspec.UnsetType = msgspec.UNSET
    depends_on: Words


class WorkspaceForm(msgspec.Struct, kw_only=True):
    """One of `workspaces:`."""

    url: str = CENSUS_URL
    api_key_env: str
    api_version: Literal["v1", "v2"] = "v1"


class FileForm(msgspec.Struct, kw_only=True):
    """The whole file."""

    version: Literal[1]
    defaults: DefaultsForm | msgspec.UnsetType = msgspec.UNSET
    syncs: Annotated[list[SyncForm], msgspec.Meta(min_length=1)]
    workspaces: dict[str, WorkspaceForm] | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """A Census sync, the models it depends on, and when it may run.

    `jobs` and `environments` are None where every one counts; `within` and `at_most_every` are in
    seconds, None for no cool-down; `consistency` None where the file does not say.
    """

    sync_id: int
    depends_on: tuple[Selector, ...]
    name: str | None = None
    require: Literal["any", "all"] = "any"
    within: int = WITHIN
    tests: Literal["block", "ignore"] = "block"
    at_most_every: int | None = None
    consistency: Literal["block", "ignore"] | None = None
    jobs: frozenset[int] | None = None
    environments: frozenset[int] | None = None
    full_sync: bool = False
    enabled: bool = True
    workspace: str = DEFAULT_WORKSPACE

    @property
    def key(self) -> tuple[str, int]:
        """What tells it from every other: its workspace and its id."""
        return self.workspace, self.sync_id

    def counts(self, run: DbtRun) -> bool:
        """Whether it may be triggered by runs of this one's job and environment."""
        return (
            self.enabled
            and self.lists_job(run.dbt_job_id)
            and self.lists_environment(run.environment_id)
        )

    def lists_job(self, dbt_job_id: int | None) -> bool:
        """Whether runs of this job count."""
        return self.jobs is None or dbt_job_id in self.jobs

    def lists_environment(self, environment_id: int | None) -> bool:
        """Whether runs in this environment count."""
        return self.environments is None or environment_id in self.environments

    @property
    def looks_at_builds(self) -> bool:
        """Whether a decision on it depends on what earlier runs built."""
        return self.require == "all" or self.checks_parents

    @property
    def checks_parents(self) -> bool:
        """Whether it is withheld while a model is older than its own parent's rebuild.

        Where the file does not say, it is if the sync needs the manifest anyway.
        """
        if self.consistency is not None:
            return self.consistency == "block"
        return self.require == "all" or any(each.needs_manifest for each in self.depends_on)


class PlacedSelector(NamedTuple):
    """A selector of a sync, and where it stands: `config/syncs.yml:12:9: syncs[1].…`."""

    sync: Sync
    selector: Selector
    place: str


@dataclass(frozen=True, slots=True)
class SyncMapping:
    """A mapping file that holds together. `digest` names its content.

    `places` are those of each sync's words, for messages:
    `config/syncs.yml:12:9: syncs[1].depends_on[0]`.
    """

    syncs: tuple[Sync, ...]
    workspaces: Mapping[str, Workspace]
    digest: str
    places: tuple[tuple[str, ...], ...] = field(default=(), compare=False)

    @property
    def looks_at_builds(self) -> bool:
        """Whether a decision on some sync depends on what earlier runs built."""
        return any(sync.looks_at_builds for sync in self.syncs)

    @property
    def looks_back(self) -> bool:
        """Whether a decision on some sync depends on what was decided before."""
        return self.looks_at_builds or any(each.at_most_every for each in self.syncs)

    @property
    def placed_selectors(self) -> Iterator[PlacedSelector]:
        """Every selector of every sync, in the file's order."""
        for sync, places in zip(self.syncs, self.places, strict=True):
            for selector, place in zip(sync.depends_on, places, strict=True):
                yield PlacedSelector(sync, selector, place)

    def sync(self, workspace: str, sync_id: int) -> Sync | None:
        """The sync of that id; None where the file has none any more."""
        return next((each for each in self.syncs if each.key == (workspace, sync_id)), None)

    @property
    def dbt_job_ids(self) -> frozenset[int] | None:
        """The dbt jobs whose runs may trigger anything; None for those of every job."""
        jobs = [each.jobs for each in self.syncs if each.enabled]
        return None if None in jobs else frozenset().union(*(each or () for each in jobs))


def read_mapping(body: bytes, *, file: str) -> SyncMapping:
    """Read a mapping file; `file` is its name for messages.

    Raises BadMapping with every problem, each with file, line, column and path
    (`syncs[1].sync_id`).
    """
    document, spots = _parse(body, file)
    reader = _Reader(file=file, spots=spots)
    mapping = reader.read(document, digest=hashlib.sha256(body).hexdigest()[:12])
    if reader.problems:
        in_order = sorted(reader.problems, key=operator.attrgetter("line", "column"))
        raise BadMapping(tuple(in_order))
    return mapping


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the mapping file, for editors."""
    schema = msgspec.json.schema(FileForm)
    for form in schema["$defs"].values():
        form["additionalProperties"] = False
        # A sync inherits what its form has a default for from `defaults:`.
        for key in form["properties"].values():
            key.pop("default", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "relay"} | schema


class _Reader:
    """Goes through the document once and keeps every problem it meets."""

    def __init__(self, *, file: str, spots: Mapping[str, _Spot]) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._spots = spots

    def read(self, document: object, *, digest: str) -> SyncMapping:
        top = self._keys(document, FileForm, path="")
        if "version" not in top and isinstance(document, dict) and "version" not in document:
            self._problem("version", "missing: write `version: 1`")
        workspaces = self._workspaces(top)
        defaults = self._keys(top.get("defaults", {}), DefaultsForm, path="defaults")
        defaults = self._with_seconds("defaults", defaults)
        syncs = tuple(self._syncs(top, defaults, workspaces))
        self._same_sync_twice(syncs)
        return SyncMapping(
            syncs=tuple(sync for _, sync in syncs),
            workspaces=workspaces,
            digest=digest,
            places=tuple(tuple(self._places_of_words(path, sync)) for path, sync in syncs),
        )

    def _workspaces(self, top: Mapping[str, Any]) -> dict[str, Workspace]:
        workspaces = {}
        for name, form in top.get("workspaces", {}).items():
            path = f"workspaces.{name}"
            keys = self._keys(form, WorkspaceForm, path=path)
            url = self._reads(f"{path}.url", read_vendor_url, keys.get("url", CENSUS_URL))
            if name == DEFAULT_WORKSPACE:
                self._problem(path, "this name stands for the CENSUS_* settings; take another")
            workspaces[str(name)] = Workspace(
                name=str(name),
                url=url or "",
                api_key_env=keys.get("api_key_env", ""),
                api_version=keys.get("api_version", "v1"),
            )
        return workspaces

    def _syncs(
        self, top: Mapping[str, Any], defaults: Mapping[str, Any], workspaces: Mapping[str, Any]
    ) -> Iterator[tuple[str, Sync]]:
        for number, form in enumerate(top.get("syncs", ())):
            path = f"syncs[{number}]"
            own = self._with_seconds(path, self._keys(form, SyncForm, path=path))
            keys = {**defaults, **own}
            workspace = keys.get("workspace", DEFAULT_WORKSPACE)
            if workspace != DEFAULT_WORKSPACE and workspace not in workspaces:
                self._problem(f"{path}.workspace", _no_workspace(workspace, workspaces))
            yield (
                path,
                Sync(
                    sync_id=keys.get("sync_id", 0),
                    name=keys.get("name"),
                    depends_on=tuple(self._selectors(path, keys.get("depends_on", ()))),
                    require=keys.get("require", "any"),
                    within=keys.get("within", WITHIN),
                    tests=keys.get("tests", "block"),
                    at_most_every=keys.get("at_most_every"),
                    consistency=keys.get("consistency"),
                    jobs=_ids(keys.get("jobs")),
                    environments=_ids(keys.get("environments")),
                    full_sync=keys.get("full_sync", False),
                    enabled=keys.get("enabled", True),
                    workspace=workspace,
                ),
            )

    def _selectors(self, path: str, words: list[str]) -> Iterator[Selector]:
        for number, word in enumerate(words):
            selector = self._reads(f"{path}.depends_on[{number}]", read_selector, word)
            if selector is not None:
                yield selector

    def _with_seconds(self, path: str, keys: Mapping[str, Any]) -> dict[str, Any]:
        """The same keys, each duration as seconds; a problem for one that is none."""
        durations = {
            key: self._reads(f"{path}.{key}", read_duration, str(keys[key]))
            for key in ("within", "at_most_every")
            if key in keys
        }
        return {**keys, **durations}

    def _same_sync_twice(self, syncs: tuple[tuple[str, Sync], ...]) -> None:
        first: dict[tuple[str, int], str] = {}
        for path, sync in syncs:
            before = first.setdefault(sync.key, path)
            if before != path and sync.sync_id:
                self._problem(f"{path}.sync_id", f"{sync.sync_id} is {before}.sync_id already")

    def _places_of_words(self, path: str, sync: Sync) -> Iterator[str]:
        for number in range(len(sync.depends_on)):
            yield self._place(f"{path}.depends_on[{number}]")

    def _keys(self, value: object, form: type[msgspec.Struct], *, path: str) -> dict[str, Any]:
        """The keys of a mapping that are as the form says; a problem for each that is not."""
        if not isinstance(value, dict):
            self._problem(path or "the file", f"expected keys and values, got {_kind(value)}")
            return {}
        fields = _fields_of(form)
        good = {}
        for key, item in value.items():
            where = f"{path}.{key}" if path else str(key)
            if key not in fields:
                known = ", ".join(sorted(fields))
                hint = did_you_mean(str(key), fields)
                self._problem(where, f"unknown key; {hint}known here are {known}")
            elif self._has_type(where, item, _type_of(form, key)):
                good[key] = item
        for name in _required_of(form):
            if name not in value and name != "version":
                self._problem(path or "the file", f"`{name}` is missing")
        return good

    def _has_type(self, where: str, item: object, type_: Any) -> bool:
        try:
            msgspec.convert(item, type_)
        except msgspec.ValidationError as exc:
            # msgspec points into the value: "... - at `$[0]`"
            what, _, inside = str(exc).partition(" - at `$")
            hint = _known_words(str(item), type_)
            self._problem(f"{where}{inside.rstrip('`')}", f"{_plain_words(what)}{hint}")
            return False
        return True

    def _reads(self, where: str, read: Callable[[str], Value], text: str) -> Value | None:
        try:
            return read(text)
        except ValueError as exc:
            self._problem(where, str(exc))
            return None

    def _problem(self, path: str, what: str) -> None:
        self.problems.append(Problem(self._place(path), what, *self._spot(path)))

    def _place(self, path: str) -> str:
        line, column = self._spot(path)
        return f"{self._file}:{line}:{column}: {path}"

    def _spot(self, path: str) -> _Spot:
        """Where a path stands, or the nearest one around it."""
        while path and path not in self._spots:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self._spots.get(path, (1, 1))


def _parse(body: bytes, file: str) -> tuple[object, dict[str, _Spot]]:
    """The document as plain values, and where each of its paths stands."""
    try:
        loader = _Loader(body)
        node = loader.get_single_node()
        if node is None:
            raise BadMapping((Problem(f"{file}:1:1", "the file is empty", 1, 1),))
        spots: dict[str, _Spot] = {}
        twice = tuple(_walk(node, "", spots, file))
        if twice:
            raise BadMapping(twice)
        return loader.construct_document(node), spots
    except yaml.MarkedYAMLError as exc:
        line, column = _spot(exc.problem_mark) if exc.problem_mark else (1, 1)
        problem = Problem(f"{file}:{line}:{column}", f"no YAML: {exc.problem}", line, column)
        raise BadMapping((problem,)) from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as exc:
        on_one_line = " ".join(str(exc).split())
        raise BadMapping((Problem(f"{file}:1:1", f"no YAML: {on_one_line}", 1, 1),)) from None


class _Loader(_YamlLoader):  # type: ignore[misc]
    """Refuses what is nested deeper than libyaml's stack is high: it would crash.

    PyYAML calls these two around each node, for resolvers by path; here there are none.
    """

    _depth = 0

    def descend_resolver(self, _parent: object, _index: object) -> None:
        self._depth += 1
        if self._depth > MOST_NESTED:
            raise ValueError(f"nested more than {MOST_NESTED} levels deep")

    def ascend_resolver(self) -> None:
        self._depth -= 1


def _walk(node: yaml.Node, path: str, spots: dict[str, _Spot], file: str) -> Iterator[Problem]:
    """Note where every path stands; a key written twice is a problem, YAML takes the last."""
    spots.setdefault(path, _spot(node.start_mark))
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            where = f"{path}.{key.value}" if path else str(key.value)
            line, column = _spot(key.start_mark)
            if where in seen:
                place = f"{file}:{line}:{column}: {where}"
                yield Problem(place, "this key is written twice", line, column)
            seen.add(where)
            spots.setdefault(where, (line, column))
            yield from _walk(value, where, spots, file)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _walk(item, f"{path}[{number}]", spots, file)


def _spot(mark: yaml.Mark) -> _Spot:
    return mark.line + 1, mark.column + 1


@functools.cache
def _fields_of(form: type[msgspec.Struct]) -> Mapping[str, msgspec.structs.FieldInfo]:
    return {each.name: each for each in msgspec.structs.fields(form)}


@functools.cache
def _required_of(form: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(name for name, known in _fields_of(form).items() if known.required)


@functools.cache
def _type_of(form: type[msgspec.Struct], key: str) -> Any:
    return _shallow(_fields_of(form)[key].type)


def _shallow(type_: Any) -> Any:
    """A field's type without the forms inside it: those are read key by key themselves."""
    if get_origin(type_) is Annotated:
        inner, *notes = get_args(type_)
        return Annotated[_shallow(inner), *notes]
    if _is_form(type_):
        return dict
    if get_origin(type_) is list and _is_form(get_args(type_)[0]):
        return list
    if get_origin(type_) is dict:
        return dict
    if get_origin(type_) in (Union, UnionType):
        members = (_shallow(each) for each in get_args(type_) if each is not msgspec.UnsetType)
        return functools.reduce(operator.or_, members)
    return type_


def _is_form(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, msgspec.Struct)


def _ids(value: list[int] | None) -> frozenset[int] | None:
    return frozenset(value) if value is not None else None


def _known_words(written: str, type_: Any) -> str:
    """For a key that takes one of some words: which they are, and which may have been meant."""
    if get_origin(type_) is not Literal:
        return ""
    words = [str(each) for each in get_args(type_)]
    known = ", ".join(f"`{each}`" for each in words)
    return f"; {did_you_mean(written, words)}known are {known}"


def _no_workspace(name: str, workspaces: Iterable[str]) -> str:
    known = (DEFAULT_WORKSPACE, *workspaces)
    listed = ", ".join(f"`{each}`" for each in known)
    return f"no workspace {name!r} in `workspaces`; {did_you_mean(name, known)}known are {listed}"


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _plain_words(what: str) -> str:
    """Msgspec's sentence, in the words of a person who writes YAML."""
    for theirs, ours in (
        ("`int`", "a number"),
        ("`str`", "text"),
        ("`bool`", "true or false"),
        ("`array`", "a list"),
        ("`object`", "keys and values"),
        ("`null`", "nothing"),
    ):
        what = what.replace(theirs, ours)
    return what[:1].lower() + what[1:]
