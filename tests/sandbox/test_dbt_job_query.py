"""The lists of projects, environments and jobs: filters and order as documented."""

import pytest

NIGHTLY, CI = 278164, 278165
PRODUCTION, PULL_REQUESTS = 187998, 187999


@pytest.mark.parametrize(
    ("path", "query", "ids"),
    [
        ("jobs", {}, [NIGHTLY, CI]),
        ("jobs", {"order_by": "-id"}, [CI, NIGHTLY]),
        ("jobs", {"order_by": "name"}, [CI, NIGHTLY]),
        ("jobs", {"limit": 1, "offset": 1}, [CI]),
        ("jobs", {"pk": CI}, [CI]),
        ("jobs", {"pk__in": f"[{CI}]"}, [CI]),
        ("jobs", {"name__icontains": "night"}, [NIGHTLY]),
        ("jobs", {"project_id": 1}, []),
        ("jobs", {"project_id__in": "[1, 241251]"}, [NIGHTLY, CI]),
        ("jobs", {"environment_id": PULL_REQUESTS}, [CI]),
        ("jobs", {"dbt_version__in": '["1.12.6"]'}, [NIGHTLY, CI]),
        ("jobs", {"triggers_schedule": "true"}, [NIGHTLY]),
        ("jobs", {"is_system": "true"}, []),
        ("jobs", {"state": "deleted"}, []),
        ("projects", {"name__icontains": "CRM"}, [241251]),
        ("projects", {"pk__gt": 241251}, []),
        ("environments", {"project_id": 241251, "name__icontains": "prod"}, [PRODUCTION]),
        ("environments", {"deployment_type": "production"}, [PRODUCTION]),
        ("environments", {"type": "development"}, []),
        ("environments", {"dbt_version": "1.0.0"}, []),
    ],
    ids=str,
)
def test_they_are_filtered_and_ordered_as_requested(dbt, path, query, ids):
    assert [row["id"] for row in dbt.get(f"/{path}/", **query).json()["data"]] == ids


@pytest.mark.parametrize("path", ["jobs", "projects", "environments"])
@pytest.mark.parametrize("query", [{"limit": 101}, {"order_by": "shape"}, {"status": 10}], ids=str)
def test_invalid_queries_are_refused(dbt, path, query):
    assert dbt.get(f"/{path}/", **query).status_code == 400
