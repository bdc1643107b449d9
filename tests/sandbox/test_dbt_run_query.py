"""dbt Cloud's list of runs: filters, order and pages as documented."""

from datetime import timedelta

import pytest
from sandbox_runs import nightly

from relay.sandbox import story
from relay.sandbox.dbt_runs import CANCELLED, ERROR, RUNNING, SandboxRun, invoke
from relay.sandbox.recordings import load


class TestListOfRuns:
    @pytest.fixture(autouse=True)
    def runs(self, dbt_cloud, clock):
        for hours, fields in enumerate(
            (
                {"dbt_job_id": 10, "status": ERROR},
                {"dbt_job_id": 20, "environment_id": 7, "dbt_version": "1.11.1"},
                {"dbt_job_id": 10, "project_id": 8, "deferring_run_id": 2},
                {"dbt_job_id": 20, "status": CANCELLED},
            ),
            start=1,
        ):
            finished_at = clock.now - timedelta(hours=hours)
            dbt_cloud.add_run(nightly(hours, finished_at=finished_at, **fields))
        freshness = invoke("dbt source freshness", load("source_freshness"))
        dbt_cloud.add_run(SandboxRun.of(freshness, dbt_run_id=6, status=ERROR, dbt_job_id=30))
        dbt_cloud.add_run(nightly(5, status=RUNNING))

    @pytest.mark.parametrize(
        ("query", "ids"),
        [
            ({}, [1, 2, 3, 4, 5, 6]),
            ({"order_by": "-id"}, [6, 5, 4, 3, 2, 1]),
            ({"order_by": "-finished_at", "status__in": "[10, 20, 30]"}, [6, 1, 2, 3, 4]),
            ({"job_definition_id": 10}, [1, 3]),
            ({"environment_id": 7}, [2]),
            ({"project_id": 8}, [3]),
            ({"status": 20}, [1, 6]),
            ({"status__in": "[20,30]"}, [1, 4, 6]),
            ({"id__gt": 3}, [4, 5, 6]),
            ({"account_id": story.DBT_ACCOUNT_ID, "pk": 3}, [3]),
            ({"account_id": 1}, []),
            ({"pk__in": "[1, 3, 9]"}, [1, 3]),
            ({"pk__in": "1,3,9"}, [1, 3]),
            ({"status__in": "20,30"}, [1, 4, 6]),
            ({"deferring_run_id": 2}, [3]),
            ({"has_docs_generated": "true"}, [1, 2, 3, 4]),
            ({"has_docs_generated": "False"}, [5, 6]),
            ({"has_sources_generated": "true"}, [6]),
            ({"has_sources_generated": "false"}, [1, 2, 3, 4, 5]),
            ({"dbt_version": "1.11.1"}, [2]),
            ({"dbt_version__in": '["1.11.1", "1.10.0"]'}, [2]),
            ({"state": "active", "id__gt": 5}, [6]),
            ({"state": 1, "id__gt": 5}, [6]),
            ({"state": "all", "id__gt": 5}, [6]),
            ({"state": "deleted"}, []),
            (
                {"finished_at__range": '["2026-11-23T03:00:00Z", "2026-11-23T04:00:00+00:00"]'},
                [2, 3],
            ),
            ({"job_definition_id": 20, "limit": 1, "offset": 1}, [4]),
        ],
        ids=str,
    )
    def test_it_is_filtered_and_ordered_as_requested(self, dbt, query, ids):
        answer = dbt.get("/runs/", **query).json()
        assert [run["id"] for run in answer["data"]] == ids
        assert answer["extra"]["pagination"]["count"] == len(ids)

    def test_it_has_the_total_count(self, dbt):
        extra = dbt.get("/runs/", limit=2, order_by="-id").json()["extra"]
        assert extra["pagination"] == {"count": 2, "total_count": 6}
        assert extra["order_by"] == "-id"

    def test_it_echoes_what_was_asked(self, dbt):
        extra = dbt.get("/runs/", limit=2, pk__in="[1]").json()["extra"]
        assert extra["filters"] == {
            "limit": 2,
            "offset": 0,
            "state": "all",
            "account_id": story.DBT_ACCOUNT_ID,
            "pk__in": [1],
        }

    def test_it_does_not_include_steps(self, dbt):
        run = dbt.get("/runs/", include_related="job,run_steps").json()["data"][0]
        assert run["job"]["id"] == 10
        assert run["run_steps"] == []

    @pytest.mark.parametrize(
        "query",
        [
            {"limit": 101},
            {"limit": "many"},
            {"order_by": "job_definition_id"},
            {"created_at__gte": "2026-11-23T00:00:00Z"},
            {"finished_at__range": "2026-11-23T00:00:00Z,2026-11-24T00:00:00Z"},
            {"finished_at__range": ["2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"]},
            {"finished_at__range": '["yesterday", "today"]'},
            {"status__in": "10;20"},
            {"account_id": "mine"},
            {"state": "old"},
            {"state": 3},
            {"has_docs_generated": "perhaps"},
            {"dbt_version__in": "1.11.1"},
            {"pk": "[1]"},
        ],
        ids=str,
    )
    def test_invalid_queries_are_refused(self, dbt, query):
        answer = dbt.get("/runs/", **query)
        assert answer.status_code == 400
        assert answer.json()["status"]["is_success"] is False
        assert answer.json()["data"]
