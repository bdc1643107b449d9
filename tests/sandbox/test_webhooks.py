"""The webhooks of dbt Cloud, in the form of its documentation."""

import json

import pytest
from sandbox_runs import nightly

from relay.sandbox import webhooks
from relay.sandbox.dbt_runs import CANCELLED, ERROR


class TestWebhooks:
    def test_completed_is_the_documented_body(self, dbt_cloud):
        dbt_cloud.add_run(nightly(155144666))
        body = dbt_cloud.completed_event(155144666, event_id="wev_2QSUzWMSv40ow7s8n8TfVPVnYua")
        assert body.decode() == (
            '{"accountId":66847,"eventId":"wev_2QSUzWMSv40ow7s8n8TfVPVnYua",'
            '"timestamp":"2026-11-23T06:00:00.000000000Z","eventType":"job.run.completed",'
            '"webhookId":"wsu_2QGRb6TLFTOlBXsWjL4kb0RHTWc","webhookName":"relay",'
            '"data":{"jobId":"278164","jobName":"Nightly build","runId":"155144666",'
            '"environmentId":"187998","environmentName":"Production","dbtVersion":"1.12.6",'
            '"projectName":"Jaffle CRM","projectId":"241251","runStatus":"Success",'
            '"runStatusCode":10,"runStatusMessage":"None","runReason":"scheduled",'
            '"runStartedAt":"2026-11-23T05:59:10Z","runFinishedAt":"2026-11-23T06:00:00Z"}}'
        )

    @pytest.mark.parametrize(
        ("status", "word", "message"),
        [(ERROR, "Errored", "dbt command failed"), (CANCELLED, "Canceled", "None")],
    )
    def test_completed_is_sent_for_failed_and_cancelled_runs_too(
        self, dbt_cloud, status, word, message
    ):
        dbt_cloud.add_run(nightly(1, status=status))
        data = json.loads(dbt_cloud.completed_event(1))["data"]
        assert (data["runStatusCode"], data["runStatus"]) == (status, word)
        assert data["runStatusMessage"] == message

    def test_started_and_errored_have_their_own_times(self, dbt_cloud, clock):
        run = dbt_cloud.add_run(nightly(1, status=ERROR))
        started, errored = (
            json.loads(event(run, dbt_account_id=1, at=clock.now))
            for event in (webhooks.started_event, webhooks.errored_event)
        )
        assert started["eventType"] == "job.run.started"
        assert started["data"]["runStatusCode"] == 3
        assert errored["eventType"] == "job.run.errored"
        assert errored["data"]["runErroredAt"] == "2026-11-23T06:00:00Z"
        assert not {"runFinishedAt", "runErroredAt"} & started["data"].keys()
        assert "runFinishedAt" not in errored["data"]

    def test_a_test_delivery_has_no_run_status(self, clock):
        event = json.loads(webhooks.endpoint_test_event(dbt_account_id=66847, at=clock.now))
        assert event["accountId"] == 66847
        assert "runStatus" not in event["data"]

    def test_each_event_has_an_id_of_its_own(self, dbt_cloud):
        dbt_cloud.add_run(nightly(1))
        ids = {json.loads(dbt_cloud.completed_event(1))["eventId"] for _ in range(2)}
        assert len(ids) == 2
        assert all(event_id.startswith("wev_") and len(event_id) == 31 for event_id in ids)
