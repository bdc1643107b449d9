"""Checks a YAML document against forms, and collects every problem with its line. No I/O here."""

import operator
from typing import Any

import msgspec
from msgspec import UNSET

from relay.decision.forms import Form, item_type, required_keys, types_of
from relay.decision.mapping_messages import in_plain_words, kind_of, known_words, one_item_for
from relay.decision.yaml_document import YamlDocument
from relay.errors import Problem
from relay.spelling import did_you_mean


class FormReader:
    """Reads one document. A value that is invalid hides no problem of the others."""

    def __init__(self, document: YamlDocument) -> None:
        self.document = document
        self._problems = list(document.problems)
        self._uncertain = set(document.misread)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was found so far, in the order of the file."""
        return tuple(sorted(self._problems, key=operator.attrgetter("line", "column")))

    def keys(self, path: str, form: Form, content: object) -> dict[str, Any]:
        """The valid keys of a form; adds a problem for each invalid one."""
        if not isinstance(content, dict):
            self.problem(path or "the file", f"expected keys and values, got {kind_of(content)}")
            return {}
        types, good = types_of(form), {}
        for key, item in content.items():
            where = f"{path}.{key}" if path else str(key)
            if key == form.__struct_config__.tag_field:
                continue
            if key not in types:
                self.problem(where, f"unknown key; {self.hint(str(key), types)}")
            elif (value := self.typed(where, item, types[key])) is not UNSET:
                good[key] = value
        for name in required_keys(form):
            if name not in content:
                self.missing(path, form, name)
        return good

    def hint(self, key: str, known: Any) -> str:
        """What was probably meant by an unknown key, and the known ones."""
        return f"{did_you_mean(key, known)}known here are {', '.join(sorted(known))}"

    def missing(self, path: str, form: Form, name: str) -> None:
        """Add the problem of a required key that is not there."""
        self.problem(path or "the file", f"`{name}` is missing")

    def typed(self, path: str, item: object, type_: Any) -> Any:
        """The item if it has the type, else UNSET and a problem.

        A list keeps its valid items, with UNSET in place of the others: an invalid item must not
        hide problems of the valid ones.
        """
        if isinstance(item, list) and item and (inner := item_type(type_)) is not None:
            return [self.typed(f"{path}[{n}]", one, inner) for n, one in enumerate(item)]
        try:
            msgspec.convert(item, type_)
        except msgspec.ValidationError as exc:
            # msgspec points into the value: "... - at `$[0]`", or "- at `key` in `$`"
            what, _, inside = str(exc).partition(" - at `")
            within = inside.rstrip("`").removeprefix("$") if inside.startswith("$") else ""
            hint = known_words(str(item), type_) or (one_item_for(item) if type_ is str else "")
            of_key = "a key: " if inside.startswith("key`") else ""
            self.problem(f"{path}{within}", f"{of_key}{in_plain_words(what)}{hint}")
            return UNSET
        return item

    def is_certain(self, path: str) -> bool:
        """Whether the value has no problem so far, so that others can be checked against it."""
        return path not in self._uncertain

    def problem(self, path: str, what: str) -> None:
        """Add a problem, unless YAML itself reads the value otherwise than it looks."""
        self._uncertain.add(path)
        if path not in self.document.misread:
            self._problems.append(self.document.problem(path, what))
