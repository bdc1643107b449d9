"""dbt's artifacts are decoded though they are not always JSON; what cannot be is told where."""

import json

import pytest
from cases import dbt_run
from hypothesis import given
from hypothesis import strategies as st

from relay.dbt.artifacts import read_run_results
from relay.dbt.invocations import Invocation
from relay.dbt.manifest import read_manifest
from relay.dbt.outcome import outcome_of
from relay.dbt.runs import Step
from relay.errors import BadArtifact
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
def test_what_cannot_be_read_is_told_where(body, said):
    with pytest.raises(BadArtifact) as refused:
        read_manifest(body)
    assert said in str(refused.value)


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
