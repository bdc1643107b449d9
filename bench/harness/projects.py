"""A dbt project of any size in the shape of a real one: its manifest.json and run_results.json.

The recorded project is extended with copies of its own nodes, with other names, SQL, columns and
tests, in layers like those of real projects. It is written piece by piece, and is always the same
for the same size.
"""

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from harness.graph import PROJECT, WORDS, Model, grow, two_words
from relay.sandbox.recordings import load

Node = dict[str, Any]

COPIED = f"model.{PROJECT}.orders"  # the recorded model that is copied, with its tests
MACROS = 700  # dbt's own: the recordings are without

_encode = msgspec.json.encode


class Project:
    """The recorded project, extended to so many models."""

    def __init__(self, models: int) -> None:
        recording = load("build")
        self._manifest = msgspec.json.decode(recording.manifest)
        self._manifest["macros"] = {"macro.dbt.is_incremental": _macro(random.Random(0))}
        self._run_results = msgspec.json.decode(recording.run_results or b"")
        self._nodes: dict[str, Node] = self._manifest["nodes"]
        recorded = sum(unique_id.startswith("model.") for unique_id in self._nodes)
        self.models = list(grow(models - recorded))

    def write_manifest(self, path: Path) -> None:
        """Write manifest.json, its sections in dbt-core's order."""
        more = {
            "nodes": self._more_nodes,
            "sources": self._more_sources,
            "macros": _more_macros,
            "exposures": self._more_exposures,
            "parent_map": self._edges,
            "child_map": self._edges_reversed,
        }
        _write(path, self._manifest, {name: _entries(make) for name, make in more.items()})

    def write_run_results(self, path: Path) -> None:
        """Write the run_results.json of a `dbt build` that succeeded."""
        _write(path, self._run_results, {"results": self._more_results})

    def _more_nodes(self) -> Iterator[tuple[str, bytes]]:
        for model in self.models:
            yield model.unique_id, self._model(model)
            for test in _tests_of(model, self._tests):
                yield _unique_id(test), test

    def _model(self, model: Model) -> bytes:
        rng = random.Random(model.number)
        raw_code, compiled_code = _sql(model)
        config = {"materialized": model.materialized, "tags": model.tags}
        own = {
            "package_name": model.package,
            "fqn": [model.package, *model.folder.split("/"), model.name],
            "checksum": {"name": "sha256", "checksum": f"{rng.getrandbits(256):064x}"},
            "config": self._nodes[COPIED]["config"] | config,
            "unrendered_config": config,
            "tags": model.tags,
            "description": _words(rng, 4),
            "columns": self._columns(rng),
            "raw_code": raw_code,
            "compiled_code": compiled_code,
            "depends_on": {"macros": ["macro.dbt.is_incremental"], "nodes": model.parents},
        }
        rest = {key: each for key, each in self._nodes[COPIED].items() if key not in own}
        return _renamed(_encode(rest)[:-1], model) + b"," + _encode(own)[1:]

    def _columns(self, rng: random.Random) -> Node:
        template = next(iter(self._nodes[COPIED]["columns"].values()))
        names = {two_words(rng) for _ in range(rng.randint(6, 24))}
        return {
            name: template | {"name": name, "data_type": "text", "description": _words(rng, 2)}
            for name in sorted(names)
        }

    @cached_property
    def _tests(self) -> dict[str, bytes]:
        tests = {key: each for key, each in self._nodes.items() if key.startswith("test.")}
        return {key: _encode(e) for key, e in tests.items() if e.get("attached_node") == COPIED}

    def _more_results(self) -> Iterator[bytes]:
        results = {each["unique_id"]: each for each in self._run_results["results"]}
        model_result = {key: e for key, e in results[COPIED].items() if key != "compiled_code"}
        tests = {key: _encode(results[key] | {"status": "pass"}) for key in self._tests}
        for model in self.models:
            if model.materialized != "ephemeral":
                compiled_code = _encode({"compiled_code": _sql(model)[1]})
                yield _renamed(_encode(model_result)[:-1], model) + b"," + compiled_code[1:]
            yield from _tests_of(model, tests)

    def _more_sources(self) -> Iterator[tuple[str, bytes]]:
        template = next(iter(self._manifest["sources"].values()))
        for unique_id in self._sources:
            _, _, source, name = unique_id.split(".")
            names = {"unique_id": unique_id, "name": name, "source_name": source}
            yield unique_id, _encode(template | names)

    @cached_property
    def _sources(self) -> list[str]:
        parents = itertools.chain.from_iterable(model.parents for model in self.models)
        return list(dict.fromkeys(each for each in parents if each.startswith("source.")))

    def _more_exposures(self) -> Iterator[tuple[str, bytes]]:
        template = next(iter(self._manifest["exposures"].values()))
        for model in self.models[::-100]:
            name = f"report_{model.number}"
            names = {"unique_id": f"exposure.{PROJECT}.{name}", "name": name}
            reads = {"depends_on": {"macros": [], "nodes": [model.unique_id]}}
            yield names["unique_id"], _encode(template | names | reads)

    def _edges(self) -> Iterator[tuple[str, bytes]]:
        return ((unique_id, _encode(parents)) for unique_id, parents in self._parents())

    def _edges_reversed(self) -> Iterator[tuple[str, bytes]]:
        children: dict[str, list[str]] = {unique_id: [] for unique_id, _ in self._parents()}
        for unique_id, parents in self._parents():
            for parent in parents:
                children.setdefault(parent, []).append(unique_id)
        return ((unique_id, _encode(each)) for unique_id, each in children.items())

    def _parents(self) -> Iterator[tuple[str, list[str]]]:
        for model in self.models:
            yield model.unique_id, model.parents
            for test in _tests_of(model, self._tests):
                yield _unique_id(test), [model.unique_id]


def _tests_of(model: Model, recorded: Mapping[str, bytes]) -> Iterator[bytes]:
    return (_renamed(each, model) for each in list(recorded.values())[: model.tests])


def _renamed(copied: bytes, model: Model) -> bytes:
    """The text about the copied model, changed to be about this one."""
    for old, new in (
        (f"model.{PROJECT}.stg_customers", model.parents[0]),
        (COPIED, model.unique_id),
        ("marts/marts.yml", f"{model.folder}/_models.yml"),
        ("marts/orders", f"{model.folder}/{model.name}"),
        ("orders", model.name),
    ):
        copied = copied.replace(old.encode(), new.encode())
    return copied


def _unique_id(node: bytes) -> str:
    return node.partition(b'"unique_id":"')[2].partition(b'"')[0].decode()


def _sql(model: Model) -> tuple[str, str]:
    """The raw and the compiled SQL, always the same."""
    rng = random.Random(-1 - model.number)
    names = [parent.rpartition(".")[2] for parent in model.parents]
    columns = ",\n  ".join(rng.choices(PHRASES, k=int(rng.lognormvariate(3.4, 0.6))))
    joins = "\n".join(f"left join {name} using ({two_words(rng)})" for name in names[1:])
    body = f"select\n  {columns}\nfrom {names[0]}\n{joins}\nwhere {_words(rng, 1)}"
    refs = ",\n".join(f"{name} as (select * from {{{{ ref('{name}') }}}})" for name in names)
    relations = ",\n".join(f'{name} as (select * from "analytics"."{name}")' for name in names)
    return f"with {refs}\n\n{body}", f"\n\nwith {relations}\n\n{body}"


def _phrases() -> list[str]:
    rng = random.Random(0)
    forms = (
        "sum(case when {0}_{1} = '{2}' then {3}_{4} else 0 end) as {3}_{2}",
        "coalesce({0}.{1}_{2}, 0) - coalesce({0}.{3}, 0) as {1}_{2}",
        "cast({0}.{1}_at as timestamp) as {1}_{2}_at",
        "row_number() over (partition by {0}_id order by {1}_at desc) as {2}_{3}_rank",
        "{0}.{1}_{2}",
    )
    return [rng.choice(forms).format(*rng.sample(WORDS, 5)) for _ in range(3000)]


PHRASES = _phrases()


def _words(rng: random.Random, phrases: int) -> str:
    return " ".join(rng.choices(PHRASES, k=phrases))


def _more_macros() -> Iterator[tuple[str, bytes]]:
    rng = random.Random(MACROS)
    return ((f"macro.dbt.macro_{number}", _encode(_macro(rng))) for number in range(MACROS))


def _macro(rng: random.Random) -> Node:
    return {"package_name": "dbt", "macro_sql": _words(rng, 35), "depends_on": {"macros": []}}


def _entries(make: Callable[[], Iterator[tuple[str, bytes]]]) -> Callable[[], Iterator[bytes]]:
    return lambda: (_encode(key) + b":" + each for key, each in make())


def _write(path: Path, recorded: Node, more: Mapping[str, Callable[[], Iterable[bytes]]]) -> None:
    """Write an artifact, with the added entries after the recorded ones of each section."""
    with path.open("wb") as file:
        for at, (section, content) in enumerate(recorded.items()):
            written = _encode(content)
            file.write((b"," if at else b"{") + _encode(section) + b":" + written[:-1])
            if section in more:
                file.writelines(b"," + entry for entry in more[section]())
            file.write(written[-1:])
        file.write(b"}")
