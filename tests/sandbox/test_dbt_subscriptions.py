"""dbt Cloud's list of webhook subscriptions."""

import json

import pytest
from sandbox_runs import nightly

from relay.sandbox import story
from relay.sandbox.dbt_subscriptions import SandboxSubscription
from sandbox.clients import DbtCloudClient


class TestSubscriptions:
    @pytest.fixture
    def v3(self, dbt_cloud):
        return DbtCloudClient(dbt_cloud, f"/api/v3/accounts/{story.DBT_ACCOUNT_ID}/webhooks")

    def test_they_are_listed_in_the_form_of_the_docs(self, v3, clock):
        microseconds = str(int(clock.now.timestamp() * 1_000_000))
        answer = v3.get("/subscriptions").json()
        assert answer["data"] == [
            {
                "id": "wsu_2QGRb6TLFTOlBXsWjL4kb0RHTWc",
                "account_identifier": answer["data"][0]["account_identifier"],
                "name": "relay",
                "description": "",
                "job_ids": [],
                "event_types": ["job.run.completed"],
                "client_url": "http://127.0.0.1:8080/webhooks/dbt",
                "active": True,
                "created_at": microseconds,
                "updated_at": microseconds,
                "account_id": str(story.DBT_ACCOUNT_ID),
                "http_status_code": "0",
            }
        ]
        assert answer["status"] == {"code": 200}

    def test_the_last_slash_makes_no_difference(self, v3):
        assert v3.get("/subscriptions/").json() == v3.get("/subscriptions").json()

    def test_events_name_the_subscription(self, dbt_cloud, v3):
        dbt_cloud.add_run(nightly(1))
        event = json.loads(dbt_cloud.completed_event(1))
        subscription = v3.get("/subscriptions").json()["data"][0]
        assert (event["webhookId"], event["webhookName"]) == (
            subscription["id"],
            subscription["name"],
        )

    def test_a_page_has_ten_of_them(self, dbt_cloud, v3):
        for number in range(11):
            dbt_cloud.add_subscription(
                SandboxSubscription(webhook_id=str(number), client_url="", job_ids=(number,))
            )
        first, last = v3.get("/subscriptions").json(), v3.get("/subscriptions", offset=10).json()
        assert (len(first["data"]), len(last["data"])) == (10, 2)
        assert last["extra"] == {
            "pagination": {"total_count": 12, "count": 2},
            "filters": {"offset": 10, "limit": 10},
        }
        assert last["data"][1]["job_ids"] == ["10"]
        assert v3.get("/subscriptions", limit="few").status_code == 400

    def test_they_are_those_of_one_account_and_need_its_token(self, dbt_cloud, v3):
        other = DbtCloudClient(dbt_cloud, "/api/v3/accounts/1/webhooks")
        assert other.get("/subscriptions").status_code == 404
        v3.authorization = "Token wrong"
        assert v3.get("/subscriptions").status_code == 401
