"""The bodies of the control routes: what is wrong with them is said by name."""

import pytest
import requests

CENSUS = {"simulator": "census", "path": "/"}


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("fail", [], "Expected `object`"),
        ("fail", {"path": "/", "status": 500}, "missing required field `simulator`"),
        ("fail", {"simulator": "hightouch", "path": "", "status": 500}, "`$.simulator`"),
        ("fail", CENSUS, "give one of status, status_after, hang_up, slow, not none"),
        ("fail", CENSUS | {"status": 500, "hang_up": "after"}, "not status and hang_up"),
        ("fail", CENSUS | {"status": 500, "status_after": 502}, "not status and status_after"),
        ("fail", CENSUS | {"hang_up": "before", "retry_after": 1}, "not to hang_up"),
        ("fail", CENSUS | {"status_after": 503, "retry_after": 1}, "not to status_after"),
        ("fail", CENSUS | {"status": 5000}, "`$.status`"),
        ("fail", CENSUS | {"status": 500, "times": 0}, "`$.times`"),
        ("fail", CENSUS | {"status": 500, "stand_in": "census"}, "unknown field `stand_in`"),
        ("fail_at_random", {"simulator": "hightouch"}, "`$.simulator`"),
        ("fail_at_random", {"share": 1.1}, "`$.share`"),
        ("fail_at_random", {"share": "0.1"}, "`$.share`"),
        ("dbt_runs", {"recordings": "build"}, "unknown field `recordings`"),
        ("dbt_runs", {"status": "asleep"}, "`$.status`"),
        ("dbt_runs", {"pull_request": 0}, "`$.pull_request`"),
        ("dbt_runs/1/finish", {"status": "running"}, "`$.status`"),
        ("syncs/5123", {"pause": True}, "unknown field `pause`"),
        ("syncs/5123", {"source": {"type": "table", "id": 1}}, "missing required field `catalog`"),
        ("syncs/5123", {"source": {"type": "spreadsheet"}}, "`$.source.type`"),
        ("syncs/5123", {"after_sync_id": 0}, "`$.after_sync_id`"),
        ("census", {"versions": ["v3"]}, "`$.versions[0]`"),
        ("census", {"paging": "sideways"}, "`$.paging`"),
        ("census", {"largest_page": 0}, "`$.largest_page`"),
        ("finish/1", {"records_failed": "three"}, "`$.records_failed`"),
        ("finish/1", {"record_failed": 3}, "unknown field `record_failed`"),
    ],
    ids=str,
)
def test_a_wrong_body_is_refused(sandbox, path, body, named):
    answer = requests.post(f"{sandbox.census.url}/sandbox/{path}", json=body, timeout=10)
    assert answer.status_code == 400
    assert named in answer.json()["error"]
