"""Reads a file that describes a new sync, or reports all of its problems at once. No I/O here."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import msgspec

from relay.census.sync_checks import check_sync
from relay.census.sync_form import NewSyncForm
from relay.census.sync_source_form import OF_A_DATASET
from relay.decision.form_reader import FormReader
from relay.decision.forms import Form, deprecated_keys, nested_forms, tag_of
from relay.decision.mapping_messages import quoted
from relay.decision.yaml_document import YamlDocument, read_yaml
from relay.errors import BadMapping, BadSyncFile, Problem
from relay.spelling import did_you_mean

# JSON writes what is outside of Unicode's first plane as two of these, which YAML refuses.
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_SAME_LENGTH = rb"\\u0020"


@dataclass(frozen=True, slots=True)
class SyncFile:
    """A new sync as a file describes it, and what a person should know of the file."""

    sync: NewSyncForm
    warnings: tuple[Problem, ...]


def read_sync(body: bytes, *, file: str) -> SyncFile:
    """Read YAML or JSON; `file` is its name for messages.

    Raises BadSyncFile with every problem, each with file, line, column and path
    (`mappings[1].from`).
    """
    reader = _Reader(_document(body, file))
    reader.read()
    if reader.problems:
        raise BadSyncFile(reader.problems)
    sync = msgspec.convert(reader.document.content, NewSyncForm)
    return SyncFile(sync, reader.warnings)


def _document(body: bytes, file: str) -> YamlDocument:
    """The values of JSON or YAML, with their positions. Raises BadSyncFile.

    JSON is nearly YAML: it may be indented with tabs, and writes some characters in another way.
    What replaces those has the same length, so that positions are right.
    """
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _yaml(body, file)
    as_yaml = _SURROGATE.sub(_SAME_LENGTH, body.replace(b"\t", b" "))
    return replace(_yaml(as_yaml, file), content=content)


def _yaml(body: bytes, file: str) -> YamlDocument:
    try:
        return read_yaml(body, file=file)
    except BadMapping as exc:
        raise BadSyncFile(exc.problems) from None


class _Reader(FormReader):
    """Reads the document once, forms within forms."""

    def __init__(self, document: YamlDocument) -> None:
        super().__init__(document)
        self._warnings: list[Problem] = []

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """In the order of the file."""
        return tuple(sorted(self._warnings, key=lambda each: (each.line, each.column)))

    def read(self) -> None:
        """Collect the problems and the warnings."""
        content = self.document.content
        self._record("", NewSyncForm, content)
        if isinstance(content, dict):
            check_sync(content, self)

    def warn(self, path: str, what: str) -> None:
        """Add a warning."""
        self._warnings.append(self.document.problem(path, what))

    def _record(self, path: str, form: Form, content: object) -> None:
        good = self.keys(path, form, content)
        for key, instead in deprecated_keys(form).items():
            if key in good:
                self.warn(_below(path, key), f"deprecated: {instead}")
        for key, forms in nested_forms(form).items():
            for where, item in _nested(_below(path, key), good.get(key)):
                self._one_of(where, forms, item)

    def _one_of(self, path: str, forms: tuple[Form, ...], item: object) -> None:
        """Read what is in the form that its tag names."""
        by_tag = {tag: form for form in forms if (tag := tag_of(form)) is not None}
        if not by_tag or not isinstance(item, dict):
            self._record(path, forms[0], item)
            return
        tag = item.get("type")
        if "type" not in item:
            self.problem(path, f"`type` is missing: one of {quoted(by_tag)}")
        elif not isinstance(tag, str) or tag not in by_tag:
            self.problem(f"{path}.type", _unknown_type(str(tag), by_tag))
        else:
            self._record(path, by_tag[tag], item)


def _nested(path: str, value: object) -> Iterator[tuple[str, object]]:
    """The forms in a value whose own type is right: it may be text instead."""
    if isinstance(value, list):
        yield from ((f"{path}[{number}]", item) for number, item in enumerate(value))
    elif isinstance(value, dict):
        yield path, value


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _unknown_type(tag: str, known: dict[str, Form]) -> str:
    hint = OF_A_DATASET if "dataset" in known else ""
    return f"unknown type; {did_you_mean(tag, known)}known are {quoted(known)}{hint}"
