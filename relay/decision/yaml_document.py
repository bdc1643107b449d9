"""A YAML document as plain values with their positions in the file. No I/O here."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from relay.decision.yaml_errors import explained
from relay.errors import BadMapping, Problem
from relay.notation import printable

MAX_NESTING = 50  # levels; a mapping file needs five
MAX_REPEATED = 300_000  # values that aliases repeat: 10,000 syncs with 20 models each

# libyaml's, where PyYAML was built with it: ten times as fast on thousands of syncs.
_YamlLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_constructor: Any = yaml.constructor.SafeConstructor()
_Position = tuple[int, int]  # line and column, from 1
_AS_WRITTEN = re.compile(r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?")
_NOT_OCTAL = re.compile(r"[-+]?0[0-9]+")

_TAG = "tag:yaml.org,2002:"
_TEXT, _MERGE = f"{_TAG}str", f"{_TAG}merge"
_PLAIN_TAGS: dict[type[yaml.Node], str] = {
    yaml.MappingNode: f"{_TAG}map",
    yaml.SequenceNode: f"{_TAG}seq",
}
_VALUES = {  # what YAML makes of a scalar, in words
    _TEXT: "text",
    f"{_TAG}null": "nothing",
    f"{_TAG}bool": "true or false",
    f"{_TAG}int": "a number",
    f"{_TAG}float": "a number",
    f"{_TAG}binary": "base64",
    f"{_TAG}timestamp": "a date",
}


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """Plain values with their positions, each under its path: `syncs[1].sync_id`.

    `problems` make the file unusable, whatever its values mean; `misread` are the paths of values
    that YAML reads differently than they look.
    """

    file: str
    content: object
    positions: Mapping[str, _Position]
    problems: tuple[Problem, ...] = ()
    misread: frozenset[str] = frozenset()

    def problem(self, path: str, what: str) -> Problem:
        """A problem at a path."""
        return Problem(self.place(path), what, *self._position(path))

    def place(self, path: str) -> str:
        """A path with file, line and column: `config/syncs.yml:12:9: syncs[1].depends_on[0]`."""
        line, column = self._position(path)
        return f"{self.file}:{line}:{column}: {path}"

    def _position(self, path: str) -> _Position:
        """The position of a path, or of its nearest known parent."""
        while path and path not in self.positions:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.positions[path]


def read_yaml(body: bytes, *, file: str) -> YamlDocument:
    """Read a document; `file` is its name for messages.

    Raises BadMapping for invalid YAML, for an empty file, and for too many repeated aliases. Other
    problems are in the document.
    """
    try:
        loader = _Loader(body)
        root = loader.get_single_node()
        if root is None:
            raise BadMapping((_problem(file, (1, 1), "the file is empty"),))
        positions = _Positions(root)
        problems = (
            *_written_twice(file, positions.repeated),
            *_read_otherwise(file, positions.odd_numbers),
            *(_problem(file, place, what, path) for path, place, what in positions.unusable),
        )
        content = loader.construct_document(root)
        odd = [path for path, _ in positions.odd_numbers]
        misread = frozenset((*odd, *(path for path, _, _ in positions.unusable)))
        return YamlDocument(file, content, positions.by_path, problems, misread)
    except yaml.MarkedYAMLError as exc:
        mark, what = explained(exc, body)
        position = _position(mark) if mark else (1, 1)
        raise BadMapping((_problem(file, position, f"invalid YAML: {what}"),)) from None
    except RecursionError:
        raise BadMapping(
            (_problem(file, (1, 1), "invalid YAML: an alias contains itself"),)
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as exc:
        on_one_line = " ".join(str(exc).split())
        raise BadMapping((_problem(file, (1, 1), f"invalid YAML: {on_one_line}"),)) from None


class _Loader(_YamlLoader):  # type: ignore[misc]
    """Limits the nesting, because deep nesting would overflow libyaml's stack and crash.

    PyYAML calls these two hooks around each node, for path resolvers, which are not used here.
    """

    _depth = 0

    def descend_resolver(self, _parent: object, _index: object) -> None:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise ValueError(f"nested more than {MAX_NESTING} levels deep")

    def ascend_resolver(self) -> None:
        self._depth -= 1


class _Positions:
    """The position of every path, and values that are probably mistakes.

    YAML takes the last of duplicate keys; a number with a leading zero is octal, or text if it has
    an 8 or a 9; one with a colon is base 60. Unusable nodes are replaced in the tree by usable ones
    so that they do not hide other problems.
    """

    def __init__(self, root: yaml.Node) -> None:
        self.by_path = {"": _position(root.start_mark)}
        self.repeated: list[tuple[str, _Position]] = []
        self.odd_numbers: list[tuple[str, yaml.ScalarNode]] = []
        self.unusable: list[tuple[str, _Position, str]] = []
        self._seen: set[int] = set()
        self._repeated_values = 0
        self._make_usable("", root)
        self._add_inside(root, "")

    def _add_inside(self, node: yaml.Node, path: str) -> None:
        if isinstance(node, yaml.MappingNode):
            self._add_keys(node, path)
        elif isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                self._add(f"{path}[{number}]", item, item)

    def _add_keys(self, node: yaml.MappingNode, path: str) -> None:
        keys = set()
        node.value = [pair for pair in node.value if self._is_a_key(path, node, *pair)]
        for key, value in node.value:
            where = _below(path, key)
            if where in keys:
                self.repeated.append((where, _position(key.start_mark)))
            keys.add(where)
            self._add(where, key, value)

    def _is_a_key(self, path: str, node: yaml.Node, key: yaml.Node, value: yaml.Node) -> bool:
        if not isinstance(key, yaml.ScalarNode):
            self._note(path, key, _not_a_key(node, key))
            return False
        if key.tag != _MERGE:
            self._make_usable(_below(path, key), key)
        elif not _can_be_merged(value):
            self._note(_below(path, key), key, "expected an alias of keys and values behind `<<`")
            key.tag = _TEXT
        return True

    def _add(self, path: str, at: yaml.Node, value: yaml.Node) -> None:
        self._count(value)
        self.by_path.setdefault(path, _position(at.start_mark))
        self._make_usable(path, value)
        if isinstance(value, yaml.ScalarNode) and _is_an_odd_number(value):
            self.odd_numbers.append((path, value))
        self._add_inside(value, path)

    def _make_usable(self, path: str, node: yaml.Node) -> None:
        problem = _problem_of(node)
        if problem is None:
            return
        self._note(path, node, problem)
        node.tag = _PLAIN_TAGS.get(type(node), _TEXT)
        if isinstance(node, yaml.ScalarNode):
            node.value = printable(node.value)

    def _note(self, path: str, node: yaml.Node, problem: str) -> None:
        self.unusable.append((printable(path), _position(node.start_mark), problem))

    def _count(self, value: yaml.Node) -> None:
        """Limit repeated nodes: twelve lines of nested aliases can expand to 10^12 values."""
        self._repeated_values += id(value) in self._seen
        self._seen.add(id(value))
        if self._repeated_values > MAX_REPEATED:
            raise ValueError(f"its aliases expand to more than {MAX_REPEATED} values")


def _below(path: str, key: yaml.ScalarNode) -> str:
    return f"{path}.{key.value}" if path else str(key.value)


def _not_a_key(node: yaml.Node, key: yaml.Node) -> str:
    braces = isinstance(key, yaml.MappingNode) and key.flow_style
    if braces and key.start_mark.index == node.start_mark.index + 1:
        return "relay renders no Jinja (`{{ … }}`): write the value itself, such as a model's name"
    return "a key must be text, not a list or other keys"


def _can_be_merged(node: yaml.Node) -> bool:
    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    return all(isinstance(each, yaml.MappingNode) for each in nodes)


def _problem_of(node: yaml.Node) -> str | None:
    """Why a node cannot be read or stored; None if it can.

    The message does not repeat the value: it may be a key.
    """
    if not isinstance(node, yaml.ScalarNode):
        return None if node.tag == _PLAIN_TAGS.get(type(node)) else _unknown_tag(node)
    if "\0" in node.value:
        return "a NUL character, which PostgreSQL cannot store"
    if node.tag not in _VALUES:
        return _unknown_tag(node)
    try:
        _constructor.yaml_constructors[node.tag](_constructor, node)
    except Exception:  # noqa: BLE001 - PyYAML raises many types, also KeyError and AttributeError
        what = _VALUES[node.tag]
        return f"YAML takes this for {what} and cannot read it: put text in quotation marks"
    return None


def _unknown_tag(node: yaml.Node) -> str:
    return f"the tag {printable(node.tag)} is not supported: remove it"


def _is_an_odd_number(node: yaml.ScalarNode) -> bool:
    if node.tag == _TEXT:
        return not node.style and bool(_NOT_OCTAL.fullmatch(node.value))
    return _VALUES.get(node.tag) == "a number" and not _AS_WRITTEN.fullmatch(node.value)


def _position(mark: yaml.Mark) -> _Position:
    return mark.line + 1, mark.column + 1


def _written_twice(file: str, keys: Iterable[tuple[str, _Position]]) -> Iterator[Problem]:
    for path, position in keys:
        yield _problem(file, position, "this key is written twice", path)


def _read_otherwise(file: str, numbers: Iterable[tuple[str, yaml.ScalarNode]]) -> Iterator[Problem]:
    for path, node in numbers:
        read = yaml.safe_load(node.value)
        meaning = "text" if isinstance(read, str) else read
        what = (
            f"YAML reads {node.value} as {meaning}: write a number with the"
            " digits 0 to 9 and no zero in front, a duration like 90m, and text in quotation marks"
        )
        yield _problem(file, _position(node.start_mark), what, path)


def _problem(file: str, position: _Position, what: str, path: str = "") -> Problem:
    line, column = position
    where = f"{file}:{line}:{column}"
    return Problem(f"{where}: {path}" if path else where, what, line, column)
