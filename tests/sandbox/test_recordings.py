"""What dbt wrote for a project, and changed copies of it."""

import json
from datetime import UTC, datetime

import pytest

from relay.sandbox import recordings
from relay.sandbox.recordings import load

BUILD = load("build")


class TestRecordings:
    def test_every_recording_loads_and_is_of_one_invocation(self):
        for name in recordings.names():
            recording = load(name)
            files = (recording.run_results, recording.sources, recording.manifest)
            ids = {json.loads(file)["metadata"]["invocation_id"] for file in files if file}
            assert len(ids) == 1, name
            assert recording.run_results or recording.sources, name

    def test_a_missing_recording_is_an_error_that_names_the_others(self):
        with pytest.raises(LookupError, match="build_model_error"):
            load("nonesuch")

    def test_a_changed_copy_differs_only_in_what_was_changed(self):
        orders = "model.jaffle_crm.orders"
        changed = (
            BUILD.with_results({orders: "reused"})
            .with_message(orders, "Cloned from cached relation")
            .with_args(empty=True)
        )
        expected = json.loads(BUILD.run_results)
        row = next(row for row in expected["results"] if row["unique_id"] == orders)
        row |= {"status": "reused", "message": "Cloned from cached relation"}
        expected["args"]["empty"] = True
        assert json.loads(changed.run_results) == expected
        assert changed.manifest == BUILD.manifest
        assert statuses(load("build").run_results)[orders] == "success"

    def test_a_copy_can_hold_some_of_the_nodes(self):
        only = BUILD.only("model.jaffle_crm.orders", "model.jaffle_crm.customers")
        assert list(statuses(only.run_results)) == [
            "model.jaffle_crm.orders",
            "model.jaffle_crm.customers",
        ]

    @pytest.mark.parametrize(
        "change",
        [
            lambda: BUILD.with_results({"model.jaffle_crm.nonesuch": "error"}),
            lambda: BUILD.only("model.jaffle_crm.nonesuch"),
            lambda: load("source_freshness").with_args(empty=True),
        ],
    )
    def test_changing_what_a_recording_lacks_is_an_error(self, change):
        with pytest.raises(LookupError):
            change()

    def test_a_stamped_recording_has_other_times_and_the_same_results(self):
        at = datetime(2027, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
        stamped = recordings.stamped(BUILD.run_results, invocation_id="another", generated_at=at)
        was, now = json.loads(BUILD.run_results), json.loads(stamped)
        assert now["metadata"]["invocation_id"] == "another"
        assert now["metadata"]["generated_at"] == "2027-01-02T03:04:05.000006Z"
        assert took(now) == took(was)
        assert statuses(stamped) == statuses(BUILD.run_results)

    def test_stamping_does_not_change_batch_results(self):
        recorded = load("build_partial").run_results
        stamped = recordings.stamped(
            recorded, invocation_id="another", generated_at=datetime(2027, 1, 2, tzinfo=UTC)
        )
        assert batches(stamped) == batches(recorded)


def statuses(artifact):
    return {result["unique_id"]: result["status"] for result in json.loads(artifact)["results"]}


def took(artifact):
    timing = next(result["timing"] for result in artifact["results"] if result["timing"])
    began = datetime.fromisoformat(timing[0]["started_at"])
    return datetime.fromisoformat(artifact["metadata"]["generated_at"]) - began


def batches(artifact):
    return [result["batch_results"] for result in json.loads(artifact)["results"]]
