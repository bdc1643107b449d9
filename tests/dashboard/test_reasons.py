"""The page of reason codes: all of them, with the same words as the documentation."""

import re
from pathlib import Path

import relay
from relay.dashboard.pages.reasons import CODES, IGNORED, NEVER_COUNTS, REASONS
from relay.dbt.deliveries import Ignored
from relay.decision.gates import GATES, Reason

DOCS = Path(relay.__file__).parent.parent / "docs"
LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def table_of(title):
    """The rows of the first table below this heading, without markup of links and weight."""
    section = (DOCS / "reasons.md").read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]
    body = section.partition("\n| --- ")[2].partition("\n\n")[0]
    rows = [line for line in body.splitlines() if line.startswith("| `")]
    plain = [LINK.sub(r"\1", row).replace("**", "") for row in rows]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in plain]


def test_every_reason_says_what_the_documentation_says():
    shown = [[f"`{each.code}`", each.decision, each.because, each.what_to_do] for each in REASONS]
    assert shown == [[cell.strip() for cell in row] for row in table_of("Reasons")]


def test_the_reasons_are_in_the_order_in_which_they_are_judged():
    judged = [*(gate.reason for gate in GATES), Reason.REBUILT]
    assert [each.code for each in REASONS] == judged


def test_every_other_code_is_there():
    documented = " ".join(codes for codes, _ in table_of("Runs that never count"))
    assert {f"`{each.code}`" for each in NEVER_COUNTS} == set(re.findall(r"`\w+`", documented))
    assert {each.code for each in IGNORED} == set(Ignored)


def test_each_code_has_its_anchor(dashboard):
    anchors = re.findall(r'id="(\w+)"', dashboard.get("/reasons").html)
    assert set(anchors) >= CODES
    assert len(anchors) == len(set(anchors))


def test_the_same_is_data(dashboard):
    data = dashboard.json("/reasons.json")
    assert data["reasons"][0]["code"] == "sync_disabled"
