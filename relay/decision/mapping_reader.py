"""Parses a mapping file into values, or reports all of its problems at once. No I/O here."""

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from msgspec import UNSET, UnsetType

from relay.channels import ALL_EVENTS, KEYS_OF, OPTIONAL_KEYS_OF, Channel, ChannelKind, Event
from relay.dbt.selectors import Selector, read_selector
from relay.decision.form_reader import FormReader
from relay.decision.forms import Form
from relay.decision.mapping import Sync, SyncMapping
from relay.decision.mapping_form import (
    CHANNEL_VARIABLE,
    KEY_VARIABLE,
    ChannelForm,
    ChannelVariableName,
    DefaultsForm,
    FileForm,
    SyncForm,
    VariableName,
    WorkspaceForm,
)
from relay.decision.mapping_messages import no_channel, no_workspace, quoted
from relay.decision.yaml_document import YamlDocument, read_yaml
from relay.errors import BadMapping
from relay.notation import host_of, is_loopback, read_duration, read_vendor_url
from relay.workspaces import (
    CENSUS_HOSTS,
    CENSUS_URL,
    DEFAULT_WORKSPACE,
    WORKSPACE_NAMES,
    SyncKey,
    Workspace,
    is_workspace_name,
)

Value = TypeVar("Value")

LONGEST_CHANNEL_NAME = 100  # it is part of an index, and of each log line about a message
_A_VARIABLE = (
    "expected the name of a variable that begins with {}, like {}; the {} itself goes into that"
    " variable"
)
# For each type of a variable's name: its pattern, and the message for what is none.
_VARIABLES: Mapping[Any, tuple[str, str]] = {
    VariableName: (
        KEY_VARIABLE,
        _A_VARIABLE.format("CENSUS_API_KEY", "CENSUS_API_KEY_EMEA", "key"),
    ),
    ChannelVariableName: (
        CHANNEL_VARIABLE,
        _A_VARIABLE.format("RELAY_NOTIFY_", "RELAY_NOTIFY_DATA_ALERTS", "URL or key"),
    ),
}

# Values for required keys that are missing or invalid, so that the other problems of the file are
# found too; the file is refused anyway.
_PLACEHOLDERS: Mapping[Form, Mapping[str, Any]] = {
    SyncForm: {"sync_id": 0, "depends_on": ()},
    WorkspaceForm: {"api_key_env": ""},
    ChannelForm: {"kind": None},
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
        raise BadMapping(reader.problems)
    return mapping


class _Reader(FormReader):
    """Reads the document once."""

    def __init__(self, document: YamlDocument, census_hosts: Collection[str]) -> None:
        super().__init__(document)
        self._census_hosts = census_hosts
        self._channels: Mapping[str, Channel] = {}

    def read(self, *, digest: str) -> SyncMapping:
        top = self.keys("", FileForm, self.document.content)
        workspaces = dict(self._workspaces(top.get("workspaces", {})))
        self._channels = dict(self._read_channels(top.get("notify", {})))
        syncs = dict(self._syncs(top.get("defaults", {}), top.get("syncs", ())))
        self._check_workspaces(syncs, workspaces)
        self._check_for_duplicates(syncs)
        return SyncMapping(
            syncs=tuple(syncs.values()),
            workspaces=workspaces,
            digest=digest,
            places=tuple(self._places(path, sync) for path, sync in syncs.items()),
            sync_places=tuple(map(self.document.place, syncs)),
            channels=self._channels,
        )

    def _workspaces(self, forms: Mapping[Any, object]) -> Iterator[tuple[str, Workspace]]:
        for name, form in forms.items():
            path = f"workspaces.{name}"
            if name == DEFAULT_WORKSPACE:
                self.problem(path, "this name is reserved for the CENSUS_* settings; use another")
            if not is_workspace_name(str(name)):
                self.problem(path, WORKSPACE_NAMES)
            yield str(name), Workspace(name=str(name), **self._values(path, WorkspaceForm, form))

    def _read_channels(self, forms: Mapping[Any, object]) -> Iterator[tuple[str, Channel]]:
        for name, form in forms.items():
            path = f"notify.{name}"
            if not (0 < len(str(name)) <= LONGEST_CHANNEL_NAME and str(name).isprintable()):
                limit = f"a channel's name is 1 to {LONGEST_CHANNEL_NAME} printable characters"
                self.problem(path, limit)
            values = self._values(path, ChannelForm, form)
            self._check_channel_keys(path, values)
            yield str(name), Channel(name=str(name), **{"events": ALL_EVENTS, **values})

    def _check_channel_keys(self, path: str, values: Mapping[str, Any]) -> None:
        kind = values["kind"]
        if kind is None or not (self.is_certain(path) and self.is_certain(f"{path}.kind")):
            return
        allowed = (*KEYS_OF[kind], *OPTIONAL_KEYS_OF.get(kind, ()))
        for key in ("url_env", "key_env"):
            if key in KEYS_OF[kind] and key not in values and self.is_certain(f"{path}.{key}"):
                self.problem(path, f"`{key}` is missing: a channel of kind `{kind}` needs it")
            elif key in values and key not in allowed:
                has = f"a channel of kind `{kind}` has {quoted(allowed)} only"
                self.problem(f"{path}.{key}", has)

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
            if sync.workspace not in known and self.is_certain("workspaces"):
                self.problem(f"{path}.workspace", no_workspace(sync.workspace, known))

    def _check_for_duplicates(self, syncs: Mapping[str, Sync]) -> None:
        first: dict[SyncKey, str] = {}
        for path, sync in syncs.items():
            if not (sync.sync_id and self._has_a_certain_workspace(path)):
                continue
            before = first.setdefault(sync.key, path)
            if before != path:
                self.problem(f"{path}.sync_id", f"{sync.sync_id} is {before}.sync_id already")

    def _has_a_certain_workspace(self, path: str) -> bool:
        return self.is_certain(f"{path}.workspace") and self.is_certain("defaults.workspace")

    def _places(self, path: str, sync: Sync) -> tuple[str, ...]:
        count = len(sync.depends_on)
        return tuple(self.document.place(f"{path}.depends_on[{n}]") for n in range(count))

    def _values(self, path: str, form: Form, content: object) -> dict[str, Any]:
        """The parsed values of a form's keys; omitted keys have no entry."""
        keys = self.keys(path, form, content)
        values = {key: self._value(f"{path}.{key}", key, item) for key, item in keys.items()}
        return {**_PLACEHOLDERS.get(form, {}), **values}

    def _value(self, path: str, key: str, item: Any) -> Any:
        match key:
            case "depends_on":
                return tuple(self._selectors(path, item))
            case "within" | "at_most_every" | "fresh_within":
                return self._parsed(path, read_duration, str(item))
            case "url":
                return self._parsed(path, self._read_census_url, item)
            case "rejects_over" | "kind" | "events" | "notify":
                return self._value_about_messages(path, key, item)
            case "jobs" | "environments":
                return frozenset(number for number in item if number is not UNSET)
        return item

    def _selectors(self, path: str, texts: Iterable[str | UnsetType]) -> Iterator[Selector]:
        for number, text in enumerate(texts):
            if isinstance(text, str):
                selector = self._parsed(f"{path}[{number}]", read_selector, text)
                if selector is not None:
                    yield selector

    def _value_about_messages(self, path: str, key: str, item: Any) -> Any:
        match key:
            case "rejects_over":
                return float(item.removesuffix("%")) / 100
            case "kind":
                return ChannelKind(item)
            case "events":
                return frozenset(Event(name) for name in item if name is not UNSET)
            case _:
                return tuple(dict.fromkeys(self._channel_names(path, item)))

    def _channel_names(self, path: str, names: Iterable[str | UnsetType]) -> Iterator[str]:
        for number, name in enumerate(names):
            if isinstance(name, str):
                if name not in self._channels and self.is_certain("notify"):
                    self.problem(f"{path}[{number}]", no_channel(name, self._channels))
                yield name

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
            self.problem(path, str(exc))
            return None

    def missing(self, path: str, form: Form, name: str) -> None:
        if name == "version":
            self.problem("version", "missing: write `version: 1`")
        else:
            super().missing(path, form, name)

    def typed(self, path: str, item: object, type_: Any) -> Any:
        if type_ in _VARIABLES and isinstance(item, str):
            return item if self._is_a_variables_name(path, item, *_VARIABLES[type_]) else UNSET
        return super().typed(path, item, type_)

    def _is_a_variables_name(self, path: str, item: str, pattern: str, otherwise: str) -> bool:
        """Check a variable's name. The problem does not repeat it: it may be the secret itself."""
        if re.fullmatch(pattern, item):
            return True
        key = re.sub("(_FILE)+$", "", item)
        if key != item and re.fullmatch(pattern, key):
            what = f"this variable holds a file's name: write {key}, which is read from that file"
            self.problem(path, what)
            return False
        self.problem(path, otherwise)
        return False
