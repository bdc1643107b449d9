"""How many queries a page sends: few, whatever is stored."""

import psycopg
import pytest
from sandbox_runs import NIGHT, night

from relay.dashboard.pages import PAGES

MOST = 5


@pytest.fixture(name="statements")
def _statements(monkeypatch):
    """The statements that psycopg is given, in a list that grows."""
    given = []
    execute = psycopg.Cursor.execute

    def noted(cursor, query, *arguments, **named):
        given.append(str(query))
        return execute(cursor, query, *arguments, **named)

    monkeypatch.setattr(psycopg.Cursor, "execute", noted)
    return given


@pytest.fixture(name="ids")
def _ids(one, dashboard):
    """An id of everything that has a page, after a night, an action and a request."""
    one.deliver(night())
    one.work()
    one.finish_sync_runs()
    one.work_for(60)
    dashboard.act("/act/hold?sync=default/5123")
    dashboard.act(f"/act/plan?run={NIGHT}")
    of = {
        "delivery_id": "SELECT max(delivery_id::text) FROM relay.deliveries",
        "attempt_id": "SELECT max(attempt_id) FROM relay.sync_runs",
        "action_id": "SELECT max(action_id) FROM relay.actions",
        "request_id": "SELECT max(request_id::text) FROM relay.requests",
    }
    found = {name: one.sql(query)[0][0] for name, query in of.items()}
    return {"dbt_run_id": NIGHT, "workspace": "default", "sync_id": 5123, **found}


def test_each_page_sends_at_most_five_beside_those_that_set_up_its_session(
    dashboard, ids, statements
):
    dashboard.get("/reasons")  # it reads nothing
    of_the_session = len(statements)
    routes = dashboard.client.application.url_map.bind("localhost")
    sent = {}
    for page in PAGES:
        statements.clear()
        dashboard.get(routes.build(f"dashboard.{page.name}", _of_route(page.rule, ids)))
        sent[page.name] = len(statements) - of_the_session
    assert {name: number for name, number in sent.items() if number > MOST} == {}
    assert min(sent.values()) == 0 < max(sent.values())


def _of_route(rule, ids):
    return {name: value for name, value in ids.items() if f":{name}>" in rule}
