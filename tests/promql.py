"""What deploy/monitoring asks Prometheus: its queries, parsed, and the metrics they name."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import promql_parser
import pytest
import yaml

ROOT = Path(__file__).parents[1]
MONITORING = ROOT / "deploy" / "monitoring"
RULES = MONITORING / "relay.rules.yml"
RULE_TESTS = sorted(MONITORING.glob("*.test.yml"))
DASHBOARD = json.loads((MONITORING / "relay-dashboard.json").read_text())
ALERTS = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
VARIABLES = DASHBOARD["templating"]["list"]
OF_A_HISTOGRAM = re.compile(r"(?<=_seconds)_(?:bucket|count|sum)$")


@dataclass(frozen=True)
class Selector:
    """A metric in a query, and the innermost aggregation around it, as it is written."""

    metric: str
    aggregation: str


@dataclass(frozen=True)
class Query:
    """A query, as an alert, a panel or a variable has it; parsed when its selectors are read."""

    where: str
    text: str

    @cached_property
    def selectors(self) -> list[Selector]:
        """The metrics it reads; ValueError where it is not PromQL."""
        # Grafana replaces these before it asks.
        text = re.sub(r"\[\$__(?:interval|range|rate_interval)\]", "[5m]", self.text)
        reader = _Reader()
        promql_parser.walk(promql_parser.parse(text), reader.enter, reader.leave)
        return reader.found

    @property
    def metrics(self) -> set[str]:
        """The names of what it reads; of a histogram without `_bucket`."""
        return {OF_A_HISTOGRAM.sub("", selector.metric) for selector in self.selectors}


class _Reader:
    """Collects selectors while it walks a query's tree."""

    def __init__(self) -> None:
        self.found: list[Selector] = []
        self._around: list[str] = []

    def enter(self, node: promql_parser.Expr) -> None:
        if aggregation := _aggregation(node):
            self._around.append(aggregation)
        match node:
            case promql_parser.VectorSelector(name=name):
                self._add(name)
            case promql_parser.MatrixSelector(vector_selector=selector):
                self._add(selector.name)

    def leave(self, node: promql_parser.Expr) -> None:
        if _aggregation(node):
            self._around.pop()

    def _add(self, metric: str) -> None:
        self.found.append(Selector(metric, self._around[-1] if self._around else ""))


def _aggregation(node: promql_parser.Expr) -> str:
    match node:
        case promql_parser.AggregateExpr(op=op, modifier=modifier):
            return f"{op} {modifier}".strip()
        case promql_parser.Call(func=function) if function.name == "absent":
            return function.name
    return ""


def queries_of_values() -> Iterator[Query]:
    """Those of alerts and panels, whose numbers are compared or shown."""
    for rule in ALERTS:
        yield Query(rule["alert"], rule["expr"])
    for panel in PANELS:
        for target in panel["targets"]:
            yield Query(panel["title"], target["expr"])


def queries_of_labels() -> Iterator[Query]:
    """Those of which only labels are read: in annotations, and the dashboard's variables."""
    for rule in ALERTS:
        for text in re.findall(r"printf `(.*?)`.*\| query", rule["annotations"]["description"]):
            yield Query(rule["alert"], text.replace("%q", '"of the alert"'))
    for variable in VARIABLES:
        if variable["type"] == "query":
            yield Query(variable["name"], of_label_values(variable["definition"]))


def of_label_values(definition: str) -> str:
    """The selector of Grafana's `label_values(SELECTOR, LABEL)`."""
    return re.fullmatch(r"label_values\((.*), \w+\)", definition)[1]


def promtool() -> str:
    """The program, or the test is skipped."""
    program = shutil.which("promtool", path=os.environ.get("RELAY_PROMTOOL"))
    if program is None:
        pytest.skip(
            "promtool is missing: install Debian's package `prometheus`, or "
            "`apt-get download prometheus && dpkg -x prometheus_*.deb FOLDER` and "
            "RELAY_PROMTOOL=FOLDER/usr/bin"
        )
    return program


def slugs(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
