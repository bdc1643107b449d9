"""dbt's artifacts are decoded even if they are not valid JSON; errors have their position."""

import json

import pytest
from cases import dbt_run
from hypothesis import given
from hypothesis import strategies as st

from relay.dbt.artifacts import read_run_results
from relay.dbt.invocations import Invocation
from relay.dbt.manifest import read_disabled, read_manifest
from relay.dbt.outcome import outcome_of
from relay.dbt.runs import Step
from relay.errors import BadArtifact
from relay.notation import printable
from relay.sandbox import recordings

BUILD = recordings.load("build")
NODE = '{"nodes": {"model.p.a": {"unique_id": "model.p.a", "tags": ["crm"], "meta": %s}}}'


@pytest.mark.parametrize(
    "meta",
    [
        '{"x": NaN}',
        '{"x": Infinity, "y": -Infinity}',
        "[NaN, NaN]",
        '{"x":NaN}',
        '{"x": \n NaN}',
        '"a lone \\ud83d surrogate"',
        "123456789012345678901234567890",
        "1e400",
    ],
)
def test_what_dbt_writes_and_json_forbids_is_survived(meta):
    lineage = read_manifest((NODE % meta).encode())
    assert lineage.nodes["model.p.a"].all_tags == ("crm",)


def test_a_word_that_only_looks_like_it_is_left_alone():
    tagged = b'{"nodes": {"m": {"unique_id": "m", "tags": ["NaN", "Infinity"], "meta": NaN}}}'
    assert read_manifest(tagged).nodes["m"].all_tags == ("NaN", "Infinity")


def test_it_may_be_read_from_a_memoryview():
    assert read_manifest(memoryview(BUILD.manifest)).nodes == read_manifest(BUILD.manifest).nodes


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "truncated"),
        (BUILD.manifest[:1000], "truncated"),
        (b"<html>", "malformed"),
        (b"[]", "Expected `object`"),
        (b"{}", "missing required field `nodes`"),
        (b'{"nodes": []}', "$.nodes"),
        (b'{"nodes": {"a": {}}}', "missing required field `unique_id`"),
        (b'{"nodes": {"a": {"unique_id": 5}}}', "unique_id"),
        (b'{"nodes": {"a": {"unique_id": "\xff"}}}', "utf-8"),
        (b'{"nodes": ' + b'{"a":' * 100_000, ""),
    ],
)
def test_what_cannot_be_read_is_reported_with_its_position(body, said):
    with pytest.raises(BadArtifact) as refused:
        read_manifest(body)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("escape", "as_read"),
    [
        (r"\u0000", r"\x00"),
        (r"\ud83d", r"\ud83d"),
        (r"\u001b[2J", r"\x1b[2J"),
        (r"\u202e", r"\u202e"),
        ("\u202e", r"\u202e"),
    ],
)
class TestNames:
    """A node whose name cannot be stored or printed is still that node, in every artifact."""

    NAME = "model.p.a@b"

    def test_are_the_same_in_a_manifest(self, escape, as_read):
        node = {
            "unique_id": self.NAME,
            "name": "a@b",
            "original_file_path": "models/@.sql",
            "fqn": ["p", "a@b"],
            "tags": ["@"],
            "config": {"group": "@"},
        }
        test = {
            "unique_id": "test.p.@",
            "attached_node": self.NAME,
            "depends_on": {"nodes": [self.NAME]},
        }
        nodes = {node["unique_id"]: node for node in (node, test)}
        body = json.dumps({"nodes": nodes, "metadata": {"project_name": "@"}})
        lineage = read_manifest(body.replace("@", escape).encode())
        name = self.NAME.replace("@", as_read)
        assert lineage.nodes[name].unique_id == name
        assert lineage.models_tested_by(f"test.p.{as_read}") == {name}
        assert list(lineage.children) == [name]
        assert lineage.project_name == as_read
        assert printable(repr(lineage.nodes)) == repr(lineage.nodes)

    def test_and_in_run_results(self, escape, as_read):
        row = {
            "unique_id": self.NAME,
            "status": "success@",
            "relation_name": "db.@",
            "message": "@",
            "compiled_code": "@",
        }
        body = json.dumps(
            {
                "results": [row, row | {"message": 5}],
                "metadata": {"invocation_id": "@", "dbt_version": "@"},
                "args": {"which": "@"},
            }
        )
        read = read_run_results(body.replace("@", escape).encode())
        name = self.NAME.replace("@", as_read)
        assert [result.unique_id for result in read.results] == [name, name]
        result, metadata = read.results[0], read.metadata
        texts = [result.status, result.relation_name, metadata.invocation_id, metadata.dbt_version]
        assert [as_read in text for text in (*texts, read.which)] == [True] * 5

    def test_and_where_they_are_disabled(self, escape, as_read):
        body = json.dumps({"disabled": {self.NAME: [{"unique_id": self.NAME}]}})
        lineage = read_disabled(body.replace("@", escape).encode())
        assert list(lineage.nodes) == [self.NAME.replace("@", as_read)]


@given(st.binary(max_size=300))
def test_any_bytes_are_an_artifact_or_a_bad_one(body):
    for read in (read_manifest, read_run_results):
        try:
            read(body)
        except BadArtifact:
            continue


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
unique_ids = st.sampled_from(["model.p.a", "seed.p.b", "test.p.c.1", "x"])
statuses = st.sampled_from(["success", "error", "skipped", "pass", "reused", "?"])
rows = st.fixed_dictionaries(
    {},
    optional={
        "unique_id": unique_ids | json_values,
        "status": statuses | json_values,
        "message": json_values,
    },
)


@given(st.lists(rows, max_size=4), json_values)
def test_any_results_are_decided_or_refused(results, args):
    body = json.dumps({"results": results, "args": args}).encode()
    try:
        read = read_run_results(body)
    except BadArtifact:
        return
    step = Step(index=4, name="", status=10, command="dbt build")
    rebuilt = outcome_of([Invocation(dbt_run(), step, read)])
    assert set(rebuilt.nodes) <= {result.unique_id for result in read.results}


@pytest.mark.parametrize("other", [b'"ok"', b"5", b'"\\ud83d"'])
def test_a_row_that_is_no_text_at_all_costs_that_row_alone(other):
    rows = (
        b'{"unique_id": "model.p.a", "status": "success", "message": %s},'
        b'{"unique_id": "model.p.b", "status": "success", "message": "\xff"},'
        b'{"unique_id": "model.p.c", "status": "success", "message": "\\ud83d"}'
    ) % other
    read = read_run_results(b'{"results": [%s]}' % rows)
    statuses = ["unreadable row" if other == b"5" else "success", "unreadable row", "success"]
    assert [row.status for row in read.results] == statuses


class TestNullsInAManifest:
    """A null is what is left out: it costs neither the node nor the manifest."""

    NODES = '"nodes": {"model.p.a": {"unique_id": "model.p.a"%s}, "model.p.b": {"unique_id": "b"}}'

    @pytest.mark.parametrize(
        "part",
        [
            '"config": null',
            '"depends_on": null',
            '"depends_on": {"nodes": null}',
            '"fqn": null, "name": null, "package_name": null, "original_file_path": null',
        ],
    )
    def test_of_a_node(self, part):
        lineage = read_manifest(("{%s}" % (self.NODES % f", {part}")).encode())
        assert sorted(lineage.nodes) == ["model.p.a", "model.p.b"]
        node = lineage.nodes["model.p.a"]
        assert (node.depends_on.nodes, node.is_view, node.name) == ((), False, "")

    def test_what_a_node_says_beside_a_null_is_kept(self):
        part = ', "config": null, "tags": ["crm"], "depends_on": {"nodes": ["model.p.b"]}'
        lineage = read_manifest(("{%s}" % (self.NODES % part)).encode())
        assert lineage.nodes["model.p.a"].all_tags == ("crm",)
        assert lineage.children == {"model.p.b": ["model.p.a"]}

    @pytest.mark.parametrize("section", ["exposures", "sources", "unit_tests", "metadata"])
    def test_of_a_section(self, section):
        body = f'{{"{section}": null, {self.NODES % ""}}}'
        assert sorted(read_manifest(body.encode()).nodes) == ["model.p.a", "model.p.b"]

    @pytest.mark.parametrize("body", [b'{"nodes": null}', b'{"nodes": {"a": null}}'])
    def test_nodes_there_must_be(self, body):
        with pytest.raises(BadArtifact, match="nodes"):
            read_manifest(body)


@pytest.mark.parametrize("disabled", ["null", "[]", "{}", '{"model.p.a": []}'])
def test_a_project_that_has_nothing_switched_off_may_say_so_in_any_way(disabled):
    body = f'{{"nodes": {{}}, "disabled": {disabled}}}'
    assert read_disabled(body.encode()).nodes == {}


@pytest.mark.parametrize("disabled", ["[%s]", '{"model.p.a": [%s]}'])
def test_what_is_switched_off_may_be_a_list_or_by_name(disabled):
    node = '{"unique_id": "model.p.a", "config": null}'
    body = f'{{"nodes": {{}}, "disabled": {disabled % node}}}'
    assert list(read_disabled(body.encode()).nodes) == ["model.p.a"]
