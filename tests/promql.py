"""What deploy/monitoring asks Prometheus: its queries, parsed, and the metrics they name."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
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


@dataclass
class Query:
    """A query, parsed."""

    where: str
    text: str
    selectors: list[Selector] = field(default_factory=list)

    def __post_init__(self):
        """Raise ValueError where it is not PromQL."""
        # Grafana replaces these before it asks.
        text = re.sub(r"\[\$__(?:interval|range|rate_interval)\]", "[5m]", self.text)
        around: list[str] = []
        promql_parser.walk(
            promql_parser.parse(text),
            lambda node: self._enter(node, around),
            lambda node: self._leave(node, around),
        )

    @property
    def metrics(self) -> set[str]:
        """The metrics it names; of a histogram without `_bucket`."""
        return {OF_A_HISTOGRAM.sub("", selector.metric) for selector in self.selectors}

    def _enter(self, node: promql_parser.Expr, around: list[str]) -> None:
        match node:
            case promql_parser.AggregateExpr(op=op, modifier=modifier):
                around.append(f"{op} {modifier}".strip())
            case promql_parser.Call(func=function) if function.name == "absent":
                around.append("absent")
            case promql_parser.MatrixSelector(vector_selector=selector):
                self._found(selector, around)
            case promql_parser.VectorSelector():
                self._found(node, around)

    @staticmethod
    def _leave(node: promql_parser.Expr, around: list[str]) -> None:
        match node:
            case promql_parser.AggregateExpr():
                around.pop()
            case promql_parser.Call(func=function) if function.name == "absent":
                around.pop()

    def _found(self, selector: promql_parser.VectorSelector, around: list[str]) -> None:
        self.selectors.append(Selector(selector.name, around[-1] if around else ""))


def queries() -> Iterator[Query]:
    """Those of the rules, of the dashboard's panels, and of its variables."""
    for rule in ALERTS:
        yield Query(rule["alert"], rule["expr"])
        # What an annotation asks while it is rendered.
        for text in re.findall(r"printf `(.*?)`.*\| query", rule["annotations"]["description"]):
            yield Query(rule["alert"], text.replace("%q", '"of the alert"'))
    for panel in PANELS:
        for target in panel["targets"]:
            yield Query(panel["title"], target["expr"])
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
