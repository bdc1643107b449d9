"""Record what dbt itself writes for the project in this folder, for relay's sandbox and tests.

    python tests/dbt_project/record.py

It makes a virtual environment in the temporary folder (kept for the next time), copies the project
beside a new DuckDB file, runs each of INVOCATIONS in order and replaces

* relay/sandbox/recordings/<name>/: manifest.json.gz, and run_results.json or sources.json where
  dbt wrote one
* relay/sandbox/recordings/README.md: what each recording is and which statuses it holds
* tests/dbt_project/selections.json: the nodes dbt itself chooses for each of SELECTORS

Nothing is replaced unless every invocation ended as expected. Times and invocation ids differ each
time.

What is left out of a manifest: `macros` and `docs` (five sixths of it: dbt's own, the same in every
project) and the names of macros in `depends_on`. All else stands as dbt wrote it, but for paths:
the folder of the project reads /project. Needs PyPI and about eight minutes.
It stops rather than write the name of a user, a machine or a folder outside the project.
"""

from __future__ import annotations

import gzip
import json
import shlex
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent
sys.path.append(str(PROJECT.parent))

from dbt_recording import Invocation, Workspace, as_text, install_dbt, publish  # noqa: E402

RECORDINGS = PROJECT.parents[1] / "relay" / "sandbox" / "recordings"
SELECTIONS = PROJECT / "selections.json"
ENVIRONMENT = Path(tempfile.gettempdir()) / "relay-dbt"


# In this order, on one database: each finds what those before it left.
INVOCATIONS = (
    Invocation("build", ("build",), "all is well; two tests warn"),
    Invocation(
        "build_model_error",
        ("build",),
        "`orders` fails in the database; all that reads it is skipped",
        broken="model",
        exit_code=1,
    ),
    Invocation(
        "retry",
        ("retry",),
        "after build_model_error, `orders` mended: only what had failed or been skipped",
        state="build_model_error",
    ),
    Invocation(
        "build_test_fail",
        ("build",),
        "a test of `orders` fails: `orders` is rebuilt, all that reads it is skipped",
        broken="test",
        exit_code=1,
    ),
    Invocation(
        "test_fail", ("test",), "after build_test_fail: the same test fails again", exit_code=1
    ),
    Invocation(
        "build_unit_test_fail",
        ("build",),
        "the unit test of `customers` fails: `customers` itself is skipped",
        broken="unit_test",
        exit_code=1,
    ),
    Invocation(
        "build_partial",
        ("build",),
        "one of the four days of `daily_orders` (microbatch) fails",
        broken="batch",
        exit_code=1,
    ),
    Invocation(
        "build_subset", ("build", "--select", "customers", "orders"), "two models and their tests"
    ),
    Invocation(
        "run_tables_under_view",
        ("run", "--select", "customers"),
        "only a table; the view `crm_customers` shows its new rows and is not in the results",
    ),
    Invocation("run", ("run",), "models only"),
    Invocation("test", ("test",), "after run: tests and the unit test only"),
    Invocation("seed", ("seed",), "seeds only"),
    Invocation("snapshot", ("snapshot",), "the snapshot only"),
    Invocation(
        "compile", ("compile",), "every node, tests too, is a `success`, and nothing was built"
    ),
    Invocation("docs_generate", ("docs", "generate"), "as compile"),
    Invocation(
        "source_freshness",
        ("source", "freshness"),
        "one source table is stale (error), one nearly (warn)",
        exit_code=1,
    ),
    Invocation(
        "clone",
        ("clone", "--target", "copy"),
        "the relations of build, cloned into another schema",
        state="build",
    ),
    Invocation(
        "build_select_nothing",
        ("build", "--select", "tag:nobody"),
        "no node has this tag: no results",
    ),
    Invocation(
        "build_sample", ("build", "--sample", "3 days"), "only the rows of the last three days"
    ),
    Invocation("build_empty", ("build", "--empty"), "every table is built without rows"),
)

SELECTORS = (
    # by name, by folder
    "customers",
    "dim_accounts",
    "dim_accounts.v1",
    "dim_accounts.v2",
    "dim_accounts_v2",
    "countries",
    "accounts_history",
    "legacy_customers",  # disabled
    "int_order_payments",  # ephemeral
    "crm_orders",  # its relation has another name
    "stg_*",
    "*orders*",
    "cust*",
    "*customers",
    "stg_?rders",
    "dim_*.v1",
    "[co]*",
    "Customers",
    "nobody",
    "jaffle_crm",
    "jaffle_crm.*",
    "jaffle_crm.marts",
    "jaffle_crm.marts.customers",
    "marts",
    "marts.*",
    "marts.finance",
    "finance",
    "staging",
    # by method
    "tag:crm",
    "tag:nightly",
    "tag:c*",
    "tag:nobody",
    "path:models/marts",
    "path:models/marts/",
    "path:models/marts/customers.sql",
    "path:models/marts/*.sql",
    "path:models/staging/*",
    "path:models/*/stg_*",
    "path:seeds",
    "path:snapshots",
    "file:customers.sql",
    "package:jaffle_crm",
    "package:jaffle_*",
    "resource_type:model",
    "resource_type:seed",
    "resource_type:snapshot",
    "config.materialized:table",
    "config.materialized:incremental",
    "config.meta.owner:crm",
    "group:finance",
    "version:latest",
    "fqn:customers",
    # by lineage
    "+fct_revenue",
    "1+fct_revenue",
    "2+fct_revenue",
    "customers+",
    "orders+1",
    "1+customers+1",
    "+dim_accounts.v2",
    "+tag:crm",
    "source:shop+",
    "exposure:weekly_kpis",
    "+exposure:weekly_kpis",
    "1+exposure:weekly_kpis",
    "+exposure:account_sync",
    "+exposure:board_deck",  # through a metric
    "@stg_accounts",
    # several
    "tag:crm,path:models/marts",
    "tag:crm,tag:nightly",
    "+fct_revenue,stg_*",
    "customers orders",
)


def main() -> None:
    dbt = install_dbt(ENVIRONMENT, "--no-deps", "-r", PROJECT / "requirements.txt")
    with tempfile.TemporaryDirectory(prefix="relay-recording-") as folder:
        workspace = Workspace.copied_into(Path(folder).resolve(), PROJECT, dbt)
        recorded = workspace.root / "recordings"
        for invocation in INVOCATIONS:
            print(invocation.name, flush=True)  # noqa: T201 - a script may talk
            record(invocation, workspace, recorded / invocation.name)
        write_readme(recorded)
        selections = record_selections(workspace)
        publish(recorded, RECORDINGS, workspace)
        SELECTIONS.write_text(json.dumps(selections, indent=2) + "\n")


def record(invocation: Invocation, workspace: Workspace, folder: Path) -> None:
    workspace.run(invocation, JAFFLE_BREAK=invocation.broken)
    folder.mkdir(parents=True)
    for name in ("run_results.json", "sources.json"):
        if artifact := workspace.read(invocation, name):
            (folder / name).write_text(as_text(artifact) + "\n")
    manifest = workspace.read(invocation, "manifest.json")
    assert manifest is not None
    content = as_text(without_macros(manifest)).encode()
    (folder / "manifest.json.gz").write_bytes(gzip.compress(content, mtime=0))


def without_macros(manifest: dict[str, Any]) -> dict[str, Any]:
    for section in ("nodes", "exposures", "metrics", "semantic_models", "unit_tests", "functions"):
        for node in manifest[section].values():
            node["depends_on"]["macros"] = []
    return manifest | {"macros": {}, "docs": {}}


def write_readme(recorded: Path) -> None:
    rows = "\n".join(
        readme_row(invocation, recorded / invocation.name) for invocation in INVOCATIONS
    )
    (recorded / "README.md").write_text(README.format(dbt_version=dbt_version(recorded), rows=rows))


README = """\
# Recordings

What dbt {dbt_version} itself wrote for `tests/dbt_project` on DuckDB, one folder for each
invocation. The sandbox and the tests both use them. `python tests/dbt_project/record.py` writes
them, and this page too: change that, not these. A manifest has no macros and docs, and paths begin
with `/project`; all else is as dbt wrote it.

The statuses count the project's two hooks (`operation.`) too, where a command runs them.

| recording | command | `args.which` | statuses | what it shows |
| --- | --- | --- | --- | --- |
{rows}
"""


def readme_row(invocation: Invocation, folder: Path) -> str:
    which, statuses = "no run_results.json", Counter[str]()
    for results in folder.glob("*.json"):
        artifact = json.loads(results.read_text())
        which = f"`{artifact['args']['which']}`" if "args" in artifact else which
        statuses.update(result["status"] for result in artifact["results"])
    counts = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items())) or "none"
    command = f"`{shlex.join(('dbt', *invocation.command))}`"
    return f"| {invocation.name} | {command} | {which} | {counts} | {invocation.about} |"


def dbt_version(recorded: Path) -> str:
    results = json.loads((recorded / INVOCATIONS[0].name / "run_results.json").read_text())
    return str(results["metadata"]["dbt_version"])


def record_selections(workspace: Workspace) -> dict[str, list[str]]:
    """Ask dbt which models, seeds and snapshots each selector means."""
    return {selector: sorted(list_nodes(workspace, selector)) for selector in SELECTORS}


def list_nodes(workspace: Workspace, selector: str) -> Iterator[str]:
    kinds = [f"--resource-type={kind}" for kind in ("model", "seed", "snapshot")]
    listing = ("--quiet", "ls", "--output", "json", "--output-keys", "unique_id")
    command = (*listing, *kinds, "--select", *selector.split())
    for line in workspace.run(Invocation("ls", command)).splitlines():
        if line.startswith("{"):
            yield json.loads(line)["unique_id"]


if __name__ == "__main__":
    main()
