"""The alerts for Prometheus: each says what to do, and fires when it should, once."""

import re
import subprocess
from datetime import UTC, datetime

import pytest
import yaml
from promql import ALERTS, ROOT, RULE_TESTS, RULES, promtool, slugs

# docs/deploy.md and docs/ci.md call the owner of the repository so too.
REPOSITORY = "https://github.com/OWNER/relay/blob/main/"
PAGES = {"RelayNotReady", "RelayWorkerSilent", "RelayBehind"}
CASES = [
    (name, bool(case["exp_samples"]))
    for file in RULE_TESTS
    for group in yaml.safe_load(file.read_text())["tests"]
    for case in group.get("promql_expr_test", ())
    for name in re.findall(r'alertname="(\w+)"', case["expr"])
]


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
class TestEachAlert:
    def test_is_a_page_or_a_ticket(self, rule):
        expected = "page" if rule["alert"] in PAGES else "ticket"
        assert rule["labels"] == {"severity": expected}

    def test_says_in_sentences_what_to_do(self, rule):
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
        assert not rule["annotations"]["summary"].endswith(".")
        assert re.match(r"(\{\{|[A-Z]).* .*\.$", rule["annotations"]["description"])

    def test_links_to_a_heading_that_exists(self, rule):
        url = rule["annotations"]["runbook_url"]
        assert url.startswith(REPOSITORY)
        page, _, heading = url.removeprefix(REPOSITORY).partition("#")
        assert heading in slugs(ROOT / page)

    def test_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(self, rule):
        assert {fires for name, fires in CASES if name == rule["alert"]} == {True, False}


def test_every_case_is_of_an_alert_that_exists():
    assert {name for name, _ in CASES} == {rule["alert"] for rule in ALERTS}


def test_the_end_of_census_v1_is_announced_from_its_day_on():
    """promtool looks at one day of eleven."""
    (rule,) = [rule for rule in ALERTS if rule["alert"] == "RelayCensusV1Ends"]
    (seconds,) = re.findall(r"\d{10}", rule["expr"])
    assert datetime.fromtimestamp(int(seconds), UTC) == datetime(2026, 12, 14, tzinfo=UTC)


def test_prometheus_takes_the_rules():
    assert_succeeds(promtool(), "check", "rules", RULES)


@pytest.mark.parametrize("file", RULE_TESTS, ids=lambda file: file.name)
def test_each_case_is_as_prometheus_evaluates_it(file):
    assert_succeeds(promtool(), "test", "rules", file)


def assert_succeeds(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
