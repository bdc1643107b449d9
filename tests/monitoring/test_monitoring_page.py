"""docs/monitoring.md: its examples are taken by those whose files they are."""

import re
import subprocess

import pytest
import yaml
from promql import ALERTS, DASHBOARD, ROOT, promtool

PAGE = (ROOT / "docs" / "monitoring.md").read_text()
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def blocks(language):
    """The fenced blocks of a language, without the indentation of their list."""
    return [
        "\n".join(line.removeprefix(indent) for line in text.splitlines())
        for indent, kind, text in FENCE.findall(PAGE)
        if kind == language
    ]


SCRAPE, SCRAPE_WITH_TOKEN, SERVICE_MONITOR, ROUTES, PROVIDER = map(yaml.safe_load, blocks("yaml"))
PROMETHEUS_RULE, CONFIG_MAP = blocks("text")


class TestScraping:
    @pytest.mark.parametrize("config", [SCRAPE, SCRAPE_WITH_TOKEN], ids=["open", "token"])
    def test_prometheus_takes_the_example(self, config, tmp_path):
        file = tmp_path / "prometheus.yml"
        file.write_text(yaml.safe_dump(config))
        command = [promtool(), "check", "config", "--syntax-only", file]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_the_token_is_all_that_differs(self):
        (opened,), (guarded,) = SCRAPE["scrape_configs"], SCRAPE_WITH_TOKEN["scrape_configs"]
        token = guarded.pop("authorization")
        assert token.keys() == {"type", "credentials_file"}
        assert guarded == opened

    def test_the_service_monitor_asks_for_metrics_with_the_token(self):
        assert SERVICE_MONITOR["kind"] == "ServiceMonitor"
        (endpoint,) = SERVICE_MONITOR["spec"]["endpoints"]
        assert endpoint["path"] == "/metrics"
        assert endpoint["authorization"]["type"] == "Bearer"
        assert endpoint["authorization"]["credentials"].keys() == {"name", "key"}


class TestLoading:
    def test_every_severity_has_a_receiver(self):
        routed = re.findall(r'severity="(\w+)"', str(ROUTES["route"]["routes"]))
        assert routed == ["page"]
        used = {ROUTES["route"]["receiver"], *(r["receiver"] for r in ROUTES["route"]["routes"])}
        assert used == {receiver["name"] for receiver in ROUTES["receivers"]}

    def test_the_rules_become_what_the_operator_takes(self):
        script, _, rest = PROMETHEUS_RULE.rpartition(" | ")
        assert rest.split()[0] == "kubectl"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        resource = yaml.safe_load(done.stdout)
        assert resource["kind"] == "PrometheusRule"
        assert resource["spec"]["groups"][0]["rules"] == ALERTS

    def test_the_provider_reads_files(self):
        (provider,) = PROVIDER["providers"]
        assert provider["type"] == "file"
        assert provider["options"]["path"]

    def test_every_file_it_names_is_there(self):
        named = re.findall(r"deploy/monitoring/[\w.-]+\w", PAGE)
        assert "deploy/monitoring/relay-dashboard.json" in CONFIG_MAP
        assert all((ROOT / name).exists() for name in named)

    def test_its_rows_are_the_dashboards(self):
        rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
        assert ", ".join(f"*{title}*" for title in rows) in PAGE


def test_every_alert_has_a_paragraph_in_their_order():
    section = PAGE.partition("\n## The alerts\n")[2]
    assert re.findall(r"^### (.*)$", section, re.MULTILINE) == [rule["alert"] for rule in ALERTS]


def test_the_paragraph_says_how_urgent_it_is():
    for rule in ALERTS:
        paragraph = PAGE.partition(f"\n### {rule['alert']}\n\n")[2]
        assert paragraph.lower().startswith(rule["labels"]["severity"])


def test_every_panel_that_an_alert_names_is_there():
    titles = {panel["title"] for panel in DASHBOARD["panels"]}
    named = re.findall(r"panels? \*([^*]+)\*(?: and \*([^*]+)\*)?", " ".join(PAGE.split()))
    assert named
    assert {title for pair in named for title in pair if title} <= titles
