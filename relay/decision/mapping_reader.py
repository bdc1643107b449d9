"""Parses a mapping file into values, or reports all of its problems at once. No I/O here."""

import hashlib
import operator
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from relay.dbt.selectors import Selector, read_selector
from relay.decision.mapping import Sync, SyncMapping
from relay.decision.mapping_form import (
    KEY_VARIABLE,
    DefaultsForm,
    FileForm,
    Form,
    SyncForm,
    VariableName,
    WorkspaceForm,
    item_type,
    required_keys,
    types_of,
)
from relay.decision.mapping_messages import (
    in_plain_words,
    kind_of,
    known_words,
    no_workspace,
    one_item_for,
)
from relay.decision.yaml_document import YamlDocument, read_yaml
from relay.errors import BadMapping
from relay.notation import host_of, is_loopback, read_duration, read_vendor_url
from relay.spelling import did_you_mean
from relay.workspaces import CENSUS_HOSTS, CENSUS_URL, DEFAULT_WORKSPACE, SyncKey, Workspace

Value = TypeVar("Value")

# Values for required keys that are missing or invalid, so that the other problems of the file are
# found too; the file is refused anyway.
_PLACEHOLDERS: Mapping[Form, Mapping[str, Any]] = {
    SyncForm: {"sync_id": 0, "depends_on": ()},
    WorkspaceForm: {"api_key_env": ""},
}


def read_mapping(
    body: bytes, *, file: str, census_hosts: Collection[str] = CENSUS_HOSTS
) -> SyncMapping:
    """Read a mapping file; `file` is its name for messages.

    A workspace's host must be in `census_hosts`, or loopback: its API key is sent there.
    Raises BadMapping with every problem, each with file, line, column and path
    (`syncs[1].sync_id`).
    """
    reader = _Reader(read_yaml(body, file=file), census_hosts)
    mapping = reader.read(digest=hashlib.sha256(body).hexdigest()[:12])
    if reader.problems:
        in_order = sorted(reader.problems, key=operator.attrgetter("line", "column"))
        raise BadMapping(tuple(in_order))
    return mapping


class _Reader:
    """Reads the document once and collects every problem."""

    def __init__(self, document: YamlDocument, census_hosts: Collection[str]) -> None:
        self.problems = list(document.problems)
        self._document = document
        self._census_hosts = census_hosts
        self._uncertain = set(document.misread)

    def read(self, *, digest: str) -> SyncMapping:
        content = self._document.content
        top = self._keys("", FileForm, content)
        if isinstance(content, dict) and "version" not in content:
            self._problem("version", "missing: write `version: 1`")
        workspaces = dict(self._workspaces(top.get("workspaces", {})))
        syncs = dict(self._syncs(top.get("defaults", {}), top.get("syncs", ())))
        self._check_workspaces(syncs, workspaces)
        self._check_for_duplicates(syncs)
        return SyncMapping(
            syncs=tuple(syncs.values()),
            workspaces=workspaces,
            digest=digest,
            places=tuple(self._places(path, sync) for path, sync in syncs.items()),
            sync_places=tuple(map(self._document.place, syncs)),
        )

    def _workspaces(self, forms: Mapping[Any, object]) -> Iterator[tuple[str, Workspace]]:
        for name, form in forms.items():
            path = f"workspaces.{name}"
            if name == DEFAULT_WORKSPACE:
                self._problem(path, "this name is reserved for the CENSUS_* settings; use another")
            yield str(name), Workspace(name=str(name), **self._values(path, WorkspaceForm, form))

    def _syncs(self, defaults: object, forms: Iterable[object]) -> Iterator[tuple[str, Sync]]:
        """Each sync with its path."""
        inherited = self._values("defaults", DefaultsForm, defaults)
        for number, form in enumerate(forms):
            path = f"syncs[{number}]"
            yield path, Sync(**inherited | self._values(path, SyncForm, form))

    def _check_workspaces(
        self, syncs: Mapping[str, Sync], workspaces: Mapping[str, Workspace]
    ) -> None:
        known = (DEFAULT_WORKSPACE, *workspaces)
        for path, sync in syncs.items():
            if sync.workspace not in known and self._is_certain("workspaces"):
                self._problem(f"{path}.workspace", no_workspace(sync.workspace, known))

    def _check_for_duplicates(self, syncs: Mapping[str, Sync]) -> None:
        first: dict[SyncKey, str] = {}
        for path, sync in syncs.items():
            if not (sync.sync_id and self._has_a_certain_workspace(path)):
                continue
            before = first.setdefault(sync.key, path)
            if before != path:
                self._problem(f"{path}.sync_id", f"{sync.sync_id} is {before}.sync_id already")

    def _has_a_certain_workspace(self, path: str) -> bool:
        return self._is_certain(f"{path}.workspace") and self._is_certain("defaults.workspace")

    def _places(self, path: str, sync: Sync) -> tuple[str, ...]:
        count = len(sync.depends_on)
        return tuple(self._document.place(f"{path}.depends_on[{n}]") for n in range(count))

    def _values(self, path: str, form: Form, content: object) -> dict[str, Any]:
        """The parsed values of a form's keys; omitted keys have no entry."""
        keys = self._keys(path, form, content)
        values = {key: self._value(f"{path}.{key}", key, item) for key, item in keys.items()}
        return {**_PLACEHOLDERS.get(form, {}), **values}

    def _value(self, path: str, key: str, item: Any) -> Any:
        match key:
            case "depends_on":
                return tuple(self._selectors(path, item))
            case "within" | "at_most_every":
                return self._parsed(path, read_duration, str(item))
            case "url":
                return self._parsed(path, self._read_census_url, item)
            case "jobs" | "environments":
                return frozenset(number for number in item if number is not UNSET)
        return item

    def _selectors(self, path: str, texts: Iterable[str | UnsetType]) -> Iterator[Selector]:
        for number, text in enumerate(texts):
            if isinstance(text, str):
                selector = self._parsed(f"{path}[{number}]", read_selector, text)
                if selector is not None:
                    yield selector

    def _read_census_url(self, text: str) -> str:
        """Only the operator, not an editor of this file, may have a key sent to another host."""
        url = read_vendor_url(text, example=CENSUS_URL)
        host = host_of(url)
        if host not in self._census_hosts and not is_loopback(host):
            known = ", ".join(sorted(CENSUS_HOSTS))
            raise ValueError(
                f"{host!r} is no host of Census ({known}), and the API key would be sent to it; "
                "where that is right, RELAY_CENSUS_HOSTS has to list it"
            )
        return url

    def _parsed(self, path: str, parse: Callable[[str], Value], text: str) -> Value | None:
        try:
            return parse(text)
        except ValueError as exc:
            self._problem(path, str(exc))
            return None

    def _keys(self, path: str, form: Form, content: object) -> dict[str, Any]:
        """The valid keys of a form; adds a problem for each invalid one."""
        if not isinstance(content, dict):
            self._problem(path or "the file", f"expected keys and values, got {kind_of(content)}")
            return {}
        types, good = types_of(form), {}
        for key, item in content.items():
            where = f"{path}.{key}" if path else str(key)
            if key not in types:
                known = ", ".join(sorted(types))
                hint = did_you_mean(str(key), types)
                self._problem(where, f"unknown key; {hint}known here are {known}")
            elif (value := self._typed(where, item, types[key])) is not UNSET:
                good[key] = value
        for name in required_keys(form):
            if name not in content and name != "version":
                self._problem(path or "the file", f"`{name}` is missing")
        return good

    def _typed(self, path: str, item: object, type_: Any) -> Any:
        """The item if it has the type, else UNSET and a problem.

        A list keeps its valid items, with UNSET in place of the others: an invalid item must not
        hide problems of the valid ones.
        """
        if isinstance(item, list) and item and (inner := item_type(type_)) is not None:
            return [self._typed(f"{path}[{n}]", one, inner) for n, one in enumerate(item)]
        if type_ is VariableName and isinstance(item, str):
            return item if self._is_a_variables_name(path, item) else UNSET
        try:
            msgspec.convert(item, type_)
        except msgspec.ValidationError as exc:
            # msgspec points into the value: "... - at `$[0]`"
            what, _, inside = str(exc).partition(" - at `$")
            hint = known_words(str(item), type_) or (one_item_for(item) if type_ is str else "")
            self._problem(f"{path}{inside.rstrip('`')}", f"{in_plain_words(what)}{hint}")
            return UNSET
        return item

    def _is_a_variables_name(self, path: str, item: str) -> bool:
        """Check a variable's name. The problem does not repeat it: it may be the key itself."""
        if re.fullmatch(KEY_VARIABLE, item):
            return True
        key = re.sub("(_FILE)+$", "", item)
        if key != item and re.fullmatch(KEY_VARIABLE, key):
            what = f"this variable holds a file's name: write {key}, which is read from that file"
            self._problem(path, what)
            return False
        self._problem(
            path,
            "expected the name of a variable that begins with CENSUS_API_KEY, like"
            " CENSUS_API_KEY_EMEA; the key itself goes into that variable",
        )
        return False

    def _is_certain(self, path: str) -> bool:
        """Whether the value has no problem so far, so that others can be checked against it."""
        return path not in self._uncertain

    def _problem(self, path: str, what: str) -> None:
        self._uncertain.add(path)
        if path not in self._document.misread:
            self.problems.append(self._document.problem(path, what))
