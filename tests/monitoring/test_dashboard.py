"""The dashboard for Grafana: complete, readable, and importable in each way."""

import itertools
import json
import re

import pytest
from promql import DASHBOARD, PANELS, VARIABLES

ROWS = [
    "At a glance",
    "Freshness",
    "Deliveries and decisions",
    "Census",
    "Vendors and queue",
]
WIDTH = 24  # columns of Grafana's grid
# Grafana's own begin with two underscores.
USED = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(DASHBOARD)))


def test_its_rows_are_in_order_and_open():
    rows = [panel for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert [row["title"] for row in rows] == ROWS
    assert not any(row["collapsed"] or row["panels"] for row in rows)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
class TestEachPanel:
    def test_says_what_it_shows(self, panel):
        assert panel["title"]
        assert panel["description"].endswith(".")

    def test_has_a_unit_and_thresholds(self, panel):
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"]
        first, *others = (step["value"] for step in defaults["thresholds"]["steps"])
        assert first is None
        assert others == sorted(others)

    def test_asks_the_chosen_data_source_and_relay(self, panel):
        chosen = {"type": "prometheus", "uid": "${datasource}"}
        assert panel["datasource"] == chosen
        assert panel["targets"]
        for target in panel["targets"]:
            assert target["datasource"] == chosen
            metrics = re.findall(r"\brelay_\w+", target["expr"])
            assert target["expr"].count('{job=~"$job"') == len(metrics)


def test_no_title_is_there_twice():
    titles = [panel["title"] for panel in PANELS]
    assert len(titles) == len(set(titles))


def test_every_id_is_there_once():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))


def test_no_panel_overlaps_another():
    taken = [
        cell
        for panel in DASHBOARD["panels"]
        for cell in itertools.product(
            range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"]),
            range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"]),
        )
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < WIDTH


def test_each_panel_is_below_its_row_and_above_the_next():
    order = [(panel["gridPos"]["y"], panel["gridPos"]["x"]) for panel in DASHBOARD["panels"]]
    assert order == sorted(order)


class TestVariables:
    def test_each_that_is_used_is_defined_and_the_reverse(self):
        assert {variable["name"] for variable in VARIABLES} == USED

    def test_the_data_source_comes_first(self):
        first, *others = VARIABLES
        assert (first["name"], first["type"], first["query"]) == (
            "datasource",
            "datasource",
            "prometheus",
        )
        assert all(each["datasource"]["uid"] == "${datasource}" for each in others)

    def test_each_of_the_others_begins_with_all(self):
        for variable in VARIABLES[1:]:
            assert variable["includeAll"]
            assert variable["current"]["value"] == ["$__all"]
            assert variable["query"]["query"] == variable["definition"]


class TestLoading:
    def test_it_is_of_grafana_11(self):
        assert DASHBOARD["schemaVersion"] >= 39

    def test_an_import_makes_it_new_and_a_later_one_replaces_it(self):
        assert DASHBOARD["id"] is None
        assert DASHBOARD["uid"] == "relay"

    def test_it_has_no_inputs_that_only_an_import_would_ask_for(self):
        """Neither a provisioning file nor the Helm sidecar replaces `${DS_…}`."""
        assert not {"__inputs", "__requires", "__elements"} & DASHBOARD.keys()
        assert "${DS_" not in json.dumps(DASHBOARD)
