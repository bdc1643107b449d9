"""The mapping file: which syncs depend on which models. All problems at once. No I/O here.

The file's form is written down once, in the Structs below: what they say is checked key by
key, and `config/syncs.schema.json` is made from them.
"""

import functools
import hashlib
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
import yaml

from relay.errors import BadMapping, Problem
from relay.notation import read_duration, read_vendor_url
from relay.selectors import Selector, read_selector

DEFAULT_WORKSPACE = "default"
WITHIN = 24 * 3600  # seconds
CENSUS_URL = "https://app.getcensus.com"

Value = TypeVar("Value")

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
    seconds, None for no cool-down. `place` is where it stands, for
    messages: `config/syncs.yml:12: syncs[1]`.
    """

    sync_id: int
    depends_on: tuple[Selector, ...]
    name: str | None = None
    require: Literal["any", "all"] = "any"
    within: int = WITHIN
    tests: Literal["block", "ignore"] = "block"
    at_most_every: int | None = None
    jobs: frozenset[int] | None = None
    environments: frozenset[int] | None = None
    full_sync: bool = False
    enabled: bool = True
    workspace: str = DEFAULT_WORKSPACE
    place: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Workspace:
    """A Census workspace beside the default one; its key is in the environment."""

    name: str
    url: str
    api_key_env: str
    api_version: str


@dataclass(frozen=True, slots=True)
class SyncMapping:
    """A mapping file that holds together. `digest` names its content."""

    syncs: tuple[Sync, ...]
    workspaces: Mapping[str, Workspace]
    digest: str

    @property
    def looks_back(self) -> tuple[Sync, ...]:
        """The syncs whose decisions depend on what was decided before."""
        return tuple(each for each in self.syncs if each.require == "all" or each.at_most_every)

    def sync(self, workspace: str, sync_id: int) -> Sync | None:
        """The sync of that id; None where the file has none any more."""
        wanted = (workspace, sync_id)
        return next((each for each in self.syncs if (each.workspace, each.sync_id) == wanted), None)


def read_mapping(body: bytes, *, file: str) -> SyncMapping:
    """Read a mapping file; `file` is its name for messages.

    Raises BadMapping with every problem, each with file, line and path (`syncs[1].sync_id`).
    """
    document, lines = _parse(body, file)
    reader = _Reader(file=file, lines=lines)
    mapping = reader.read(document, digest=hashlib.sha256(body).hexdigest()[:12])
    if reader.problems:
        raise BadMapping(tuple(sorted(reader.problems, key=lambda problem: problem.line)))
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

    def __init__(self, *, file: str, lines: Mapping[str, int]) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._lines = lines

    def read(self, document: object, *, digest: str) -> SyncMapping:
        top = self._keys(document, FileForm, path="")
        if "version" not in top and isinstance(document, dict) and "version" not in document:
            self._problem("version", "missing: write `version: 1`")
        workspaces = self._workspaces(top)
        defaults = self._keys(top.get("defaults", {}), DefaultsForm, path="defaults")
        defaults = self._with_seconds("defaults", defaults)
        syncs = tuple(self._syncs(top, defaults, workspaces))
        self._refuse_what_is_not_built("defaults", defaults)
        self._same_sync_twice(syncs)
        return SyncMapping(
            syncs=tuple(sync for _, sync in syncs), workspaces=workspaces, digest=digest
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
            self._refuse_what_is_not_built(path, own)
            keys = {**defaults, **own}
            workspace = keys.get("workspace", DEFAULT_WORKSPACE)
            if workspace != DEFAULT_WORKSPACE and workspace not in workspaces:
                self._problem(f"{path}.workspace", f"no workspace {workspace!r} in `workspaces`")
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
                    jobs=_ids(keys.get("jobs")),
                    environments=_ids(keys.get("environments")),
                    full_sync=keys.get("full_sync", False),
                    enabled=keys.get("enabled", True),
                    workspace=workspace,
                    place=self._place(path),
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

    def _refuse_what_is_not_built(self, path: str, keys: Mapping[str, Any]) -> None:
        if keys.get("consistency") == "block":
            self._problem(f"{path}.consistency", "`block` is not supported yet; `ignore` is")

    def _same_sync_twice(self, syncs: tuple[tuple[str, Sync], ...]) -> None:
        first: dict[tuple[str, int], str] = {}
        for path, sync in syncs:
            before = first.setdefault((sync.workspace, sync.sync_id), path)
            if before != path and sync.sync_id:
                self._problem(f"{path}.sync_id", f"{sync.sync_id} is {before}.sync_id already")

    def _keys(self, value: object, form: type[msgspec.Struct], *, path: str) -> dict[str, Any]:
        """The keys of a mapping that are as the form says; a problem for each that is not."""
        if not isinstance(value, dict):
            self._problem(path or "the file", f"expected keys and values, got {_kind(value)}")
            return {}
        fields = {each.name: each for each in msgspec.structs.fields(form)}
        good = {}
        for key, item in value.items():
            where = f"{path}.{key}" if path else str(key)
            if key not in fields:
                known = ", ".join(sorted(fields))
                self._problem(where, f"unknown key; known here are {known}")
            elif self._has_type(where, item, _shallow(fields[key].type)):
                good[key] = item
        for name, known_key in fields.items():
            if known_key.required and name not in value and name != "version":
                self._problem(path or "the file", f"`{name}` is missing")
        return good

    def _has_type(self, where: str, item: object, type_: Any) -> bool:
        try:
            msgspec.convert(item, type_)
        except msgspec.ValidationError as exc:
            # msgspec points into the value: "... - at `$[0]`"
            what, _, inside = str(exc).partition(" - at `$")
            self._problem(f"{where}{inside.rstrip('`')}", _plain_words(what))
            return False
        return True

    def _reads(self, where: str, read: Callable[[str], Value], text: str) -> Value | None:
        try:
            return read(text)
        except ValueError as exc:
            self._problem(where, str(exc))
            return None

    def _problem(self, path: str, what: str) -> None:
        self.problems.append(Problem(self._place(path), what, self._line(path)))

    def _place(self, path: str) -> str:
        return f"{self._file}:{self._line(path)}: {path}"

    def _line(self, path: str) -> int:
        """The line of a path, or of the nearest one around it."""
        while path and path not in self._lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self._lines.get(path, 1)


def _parse(body: bytes, file: str) -> tuple[object, dict[str, int]]:
    """The document as plain values, and the line each of its paths stands on."""
    try:
        loader = yaml.SafeLoader(body)
        node = loader.get_single_node()
        if node is None:
            raise BadMapping((Problem(f"{file}:1", "the file is empty", 1),))
        lines: dict[str, int] = {}
        twice = tuple(_walk(node, "", lines, file))
        if twice:
            raise BadMapping(twice)
        return loader.construct_document(node), lines
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        raise BadMapping((Problem(f"{file}:{line}", f"no YAML: {exc.problem}", line),)) from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as exc:
        raise BadMapping((Problem(f"{file}:1", f"no YAML: {exc}", 1),)) from None


def _walk(node: yaml.Node, path: str, lines: dict[str, int], file: str) -> Iterator[Problem]:
    """Note every path's line; a key written twice is a problem, YAML would take the last."""
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            where = f"{path}.{key.value}" if path else str(key.value)
            line = key.start_mark.line + 1
            if where in seen:
                yield Problem(f"{file}:{line}: {where}", "this key is written twice", line)
            seen.add(where)
            lines.setdefault(where, line)
            yield from _walk(value, where, lines, file)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _walk(item, f"{path}[{number}]", lines, file)


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
