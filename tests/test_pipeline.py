"""From a delivery to the end of a sync run: only the vendors are stand-ins, and time is given."""

from relay.sandbox import story
from relay.sandbox.wire import Status


def events(logged, *names):
    return [line for line in logged if line["event"] in names]


class TestAGoodNight:
    def test_every_sync_of_a_rebuilt_model_is_triggered_once(self, relay, sandbox, logged):
        relay.deliver(story.nightly_run())
        relay.work()
        triggered = {line["sync_id"]: line for line in events(logged, "sync.triggered")}
        assert sorted(triggered) == [5123, 5124, 5125, 5126]
        assert triggered[5123]["because"] == ["model.jaffle_crm.customers"]
        assert triggered[5123]["dbt_run_id"] == story.FIRST_DBT_RUN_ID
        assert len(sandbox.census.requests_to("/trigger")) == 4

    def test_its_sync_runs_are_followed_to_their_end(self, relay, sandbox, logged):
        relay.deliver(story.nightly_run())
        relay.work()
        for run in sandbox.census.sync_runs:
            sandbox.census.finish(run.sync_run_id, records_failed=3 if run.sync_id == 5124 else 0)
        relay.tick(15)
        relay.work()
        outcomes = {
            line["sync_id"]: line["outcome"] for line in events(logged, "sync_run.finished")
        }
        assert outcomes[5123] == "completed"
        assert outcomes[5124] == "completed_with_rejects"
        assert relay.sql("SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'") == [(0,)]

    def test_a_late_artifact_is_waited_for(self, relay, sandbox, logged):
        sandbox.dbt_cloud.fail_next("/artifacts/run_results.json", Status(404), times=2)
        relay.deliver(story.nightly_run())
        relay.work()
        assert not events(logged, "sync.triggered")
        for _ in range(3):
            relay.tick(60)
            relay.work()
        assert len(events(logged, "sync.triggered")) == 4
