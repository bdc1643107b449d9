"""The worked examples of docs/mapping.md, played: the mapping, and the table of what happens."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from relay.sandbox import story
from relay.sandbox.dbt_runs import SandboxRun, invoke
from relay.sandbox.recordings import load

DOCUMENT = (Path(__file__).parents[2] / "docs" / "mapping.md").read_text()
PARAGRAPHS = r"(?:(?:(?!#|```|\|).+\n)+\n)*"
EXAMPLE = (
    rf"^### (.+)\n\n{PARAGRAPHS}"
    r"```yaml\n((?:(?!```).*\n)*)```\n\n"
    rf"{PARAGRAPHS}\| time \|.*\n((?:\|.*\n)+)"
)
EXAMPLES = re.findall(EXAMPLE, DOCUMENT, re.MULTILINE)
OUTCOMES = {"triggered": "sync.triggered", "withheld": "sync.withheld", "delayed": "sync.withheld"}
JOBS = {"A": 278164, "B": 278165}


NIGHTS = {
    "`dbt build`: all is well": "build",
    "`dbt build`: a test of `orders` fails": "build_test_fail",
    "`dbt build`: `orders` fails": "build_model_error",
    "`dbt build`: one batch of `daily_orders` fails": "build_partial",
    "`dbt build --empty`": "build_empty",
}


def rows(table):
    for line in table.splitlines()[1:]:
        time, happens, expected = (cell.strip() for cell in line.strip("|").split("|"))
        hours, minutes = map(int, time.split(":"))
        yield timedelta(hours=hours, minutes=minutes), happens, expected


def run_of(number, happens, before):
    """The dbt run that a row tells of; `before` is the one that `another one` is like."""
    dbt_run_id = story.FIRST_DBT_RUN_ID + number
    if happens in NIGHTS:
        return story.nightly_run(dbt_run_id, recording=NIGHTS[happens]), *(before or ((), 0))
    models = re.findall(r"`(\w+)`", happens)
    job = re.search(r"job (\w)", happens)
    if not models:
        return before and invoked(number, before[0], before[1])
    return invoked(number, models, JOBS[job[1]] if job else JOBS["A"])


def invoked(number, models, dbt_job_id):
    ids = [f"model.jaffle_crm.{model}" for model in models]
    step = invoke("dbt build", load("build").only(*ids))
    run = SandboxRun.of(step, dbt_run_id=story.FIRST_DBT_RUN_ID + number, dbt_job_id=dbt_job_id)
    return run, models, dbt_job_id


def test_there_is_one_for_each_gate():
    assert {title for title, _, _ in EXAMPLES} == {
        "Decide what happens when something fails",
        "Let only some jobs trigger a sync",
        "Wait until all models are rebuilt",
        "Limit how often a sync runs",
        "Withhold a sync while its models are inconsistent",
    }


@pytest.mark.parametrize(
    ("mapping", "table"), [each[1:] for each in EXAMPLES], ids=[each[0] for each in EXAMPLES]
)
def test_what_the_table_says_happens(relay, sandbox, logged, mapping, table):
    relay.map(mapping)
    now, before = timedelta(), None
    for number, (time, happens, expected) in enumerate(rows(table)):
        relay.tick((time - now).total_seconds())
        now, told = time, len(logged)
        if happens:
            run, *before = run_of(number, happens, before)
            relay.deliver(run)
        relay.work()
        (line,) = [line for line in logged[told:] if line["event"] in OUTCOMES.values()]
        assert line["event"] == OUTCOMES[expected.split(":")[0].split()[0]], (time, line)
        if line["event"] == "sync.withheld":
            assert {line["reason"], *names(line["models"])} >= told_in(expected), (time, line)
        else:
            assert len(line["dbt_run_ids"]) == (2 if "both runs" in expected else 1)
            sandbox.census.finish(line["sync_run_id"])


def names(unique_ids):
    return {each.rpartition(".")[2] for each in unique_ids}


def told_in(expected):
    """The reason and the models; a model that is not waited for is named with a `but`."""
    verdict = expected.partition(" but ")[0] if "was, but" in expected else expected
    return set(re.findall(r"`(\w+)`", verdict)) - {"until"}
