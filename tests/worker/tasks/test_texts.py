"""Texts that PostgreSQL refuses, from either vendor: no run, trigger or sync run is held by one."""

import json

import pytest
from sandbox_runs import NIGHT, night

from relay.sandbox.dbt_runs import SandboxRun, invoke
from relay.sandbox.recordings import load
from relay.sandbox.wire import Body

ESCAPES = [r"\u0000", r"\ud83d"]


@pytest.mark.parametrize("escape", ESCAPES)
class TestTexts:
    def test_the_end_of_a_sync_run_is_recorded_with_its_message(
        self, one, sandbox, events, sql, escape
    ):
        one.deliver(night())
        one.work()
        (run,) = sandbox.census.sync_runs
        data = {"id": run.sync_run_id, "status": "failed", "error_message": "bad @ row " * 100}
        body = json.dumps({"status": "success", "data": data}).replace("@", escape).encode()
        sandbox.census.fail_next("/sync_runs/", Body(body))
        one.work_for(15)
        (ended,) = events("sync_run.finished")
        assert (ended["outcome"], len(ended["error_message"])) == ("failed", 300)
        assert sql("SELECT outcome, problem FROM relay.sync_runs") == [
            ("failed", ended["error_message"])
        ]
        assert one.is_idle()

    def test_an_unknown_status_is_followed(self, one, sandbox, events, escape):
        one.deliver(night())
        one.work()
        body = b'{"status":"success","data":{"status":"odd%s"}}' % escape.encode()
        sandbox.census.fail_next("/sync_runs/", Body(body))
        one.work_for(15)
        one.finish_sync_runs()
        one.work_for(15)
        assert events("task.failed") == []
        assert len(events("sync_run.finished")) == 1

    def test_a_refusal_is_recorded_and_not_sent_again(self, one, sandbox, events, sql, escape):
        body = b'{"status":"error","message":"no %s sync"}' % escape.encode()
        sandbox.census.fail_next("/trigger", Body(body), times=10)
        one.deliver(night())
        one.work_for(3600)
        (failed,) = events("sync.trigger_failed")
        assert sql("SELECT problem FROM relay.sync_runs") == [(failed["problem"],)]
        assert len(sandbox.census.requests_to("/trigger")) == 1

    def test_a_dbt_refusal_is_recorded_and_the_run_evaluated_later(
        self, one, sandbox, events, sql, escape
    ):
        body = b'{"status":{"user_message":"not %s now"}}' % escape.encode()
        sandbox.dbt_cloud.fail_next("/runs/", Body(body, 403))
        one.deliver(night())
        one.work()
        (retried,) = events("dbt_run.retried")
        assert sql("SELECT problem FROM relay.dbt_runs") == [(retried["problem"],)]
        one.work_for(10)
        assert len(events("sync.triggered")) == 1

    def test_a_node_is_decided_on_by_its_printable_name(self, relay, sandbox, events, sql, escape):
        """In the run's file and in the manifest, which `package:` needs."""
        relay.map(
            "version: 1\nsyncs:\n"
            "  - {sync_id: 5123, depends_on: [customers]}\n"
            "  - {sync_id: 5124, depends_on: ['package:jaffle_crm'], require: all}\n"
        )
        build = load("build")
        odd = r"model.jaffle_crm.customers" + escape
        run_results = build.run_results.replace(b'"model.jaffle_crm.orders"', f'"{odd}"'.encode())
        manifest = build.manifest.replace(b'"model.jaffle_crm.orders"', f'"{odd}"'.encode())
        step = invoke("dbt build", build)
        relay.deliver(SandboxRun.of(step, dbt_run_id=NIGHT))
        at = sandbox.dbt_cloud.run(NIGHT).finished_at.isoformat().encode()
        metadata = json.loads(build.run_results)["metadata"]
        for written in ("generated_at", "invocation_started_at"):
            run_results = run_results.replace(metadata[written].encode(), at)
        sandbox.dbt_cloud.fail_next("run_results.json", Body(run_results))
        sandbox.dbt_cloud.fail_next("manifest.json", Body(manifest))
        relay.work()
        assert events("task.failed") == []
        assert sorted(line["sync_id"] for line in events("sync.triggered")) == [5123, 5124]
        models = sql("SELECT unnest(models) FROM relay.decisions WHERE sync_id = 5124")
        assert [model for (model,) in models if model.startswith("model.jaffle_crm.customers\\")]
