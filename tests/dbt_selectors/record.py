"""Record which nodes dbt itself selects, for the project in this folder.

    python tests/dbt_selectors/record.py

The project has what selectors trip over: names with dots, versions that are not whole numbers,
folders named like versions, properties files that describe models of other folders, an installed
package.

It makes a virtual environment in the temporary folder (the one of tests/dbt_project/record.py, kept
for the next time), copies the project, asks dbt for each of SELECTORS and replaces recorded/:

* manifest.json.gz: what dbt wrote, without macros, docs and the names of macros in `depends_on`;
  the folder of the project reads /project
* selections.json: the models, seeds and snapshots of each selector; null where dbt refuses it

Needs PyPI and about a minute. It stops rather than write the name of a user, a machine or a folder
outside the project.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).parent
sys.path.append(str(PROJECT.parent))

from dbt_recording import (  # noqa: E402
    Invocation,
    Workspace,
    as_text,
    install_dbt,
    publish,
    without_macros,
)

REQUIREMENTS = PROJECT.parent / "dbt_project" / "requirements.txt"
ENVIRONMENT = Path(tempfile.gettempdir()) / "relay-dbt"
PARSE = Invocation("parse", ("parse",))

SELECTORS = (
    # names with dots, folders and versions
    "finance.vat_rates",
    "shop.finance.vat_rates",
    "fqn:finance.vat_rates",
    "vat_rates",
    "marts.dim_vendor",
    "shop.marts.dim_vendor",
    "finance.v2",
    "shop.finance.v2",
    "finance.v2.ledger",
    "finance.v*",
    "finance.vat_*",
    "finance.*",
    "crm.marts.vendors",
    "marts.vendors",
    "marts.*vendor*",
    "shop.*",
    "*.vendors",
    "dim_accounts",
    "dim_accounts.v1",
    "dim_accounts.v2",
    "dim_accounts.v3",
    "dim_accounts_v1",
    "marts.dim_accounts",
    "marts.dim_accounts.v1",
    "marts.dim_accounts_v1",
    "shop.dim_accounts.v1",
    "shop.marts.dim_accounts.v2",
    "nowhere.dim_accounts.v1",
    "*.dim_accounts.v?",
    "marts.dim_accounts.*",
    "dim_accounts.v*",
    "fqn:dim_accounts.v1",
    "prices",
    "prices.vgold",
    "prices_vgold",
    "marts.prices.vgold",
    "prices.v1.5",
    "marts.prices.v1.5",
    "rates",
    "rates.v2",
    "rates_v2",
    "marts.rates.v2",
    "fqn:rates",
    "rate*",
    "rates?",
    "snapshot.daily.daily_orders",
    "snapshot.daily",
    "model.shop.orders",
    "nobody.v1",
    "customers.vip",
    "fqn:orders+",
    "fqn:staging+",
    "staging.raw.orders+",
    "orders+1",
    "+vat_report",
    "1+vat_report",
    "+no_negative_prices",
    "vat_report",
    "finance",
    "fin*",
    "shop*",
    # globs
    "path:seeds/**",
    "path:seeds/reference/**",
    "path:models/**",
    "path:models/finance/**",
    "path:models/**/v2",
    "path:models/**/v2/**",
    "path:models/**/*.py",
    "path:**/customers.sql",
    "path:**",
    "path:*",
    "path:?",
    "path:models/finance/*",
    "path:models/finance/*/",
    "path:models/finance/*.sql",
    "path:models/[fm]*/*.sql",
    "path:models/*/*/*",
    "path:**/reference",
    "path:models/nowhere/**",
    "path:./models/finance",
    "path:models//finance/",
    "path:models/finance/vat_rates.sql/",
    "path:/models/finance",
    "path:models/../seeds",
    "path:dbt_packages/crm",
    "path:local_packages/crm/models",
    "path:models/salesforce",
    "path:models/salesforce/leads.sql",
    "path:models/finance?v2",
    "path:models/finance?",
    "path:models/finance[!a]v2",
    "path:models/marts/dim_[!v]*.sql",
    "path:.",
    "path:./",
    # properties files
    "path:models/marts/marts.yml",
    "path:models/staging/staging.yml",
    "path:models/marts/*.yml",
    "path:models/**/*.yml",
    "path:**/*.yml",
    "path:models/marts/*",
    "path:seeds/seeds.yml",
    "path:seeds/*.yml",
    "path:snapshots/orders_history.yml",
    "path:models/exposures.yml",
    "path:models/marts/nothing.yml",
    "path:models/marts/marts.yaml",
    "+path:models/marts/marts.yml",
    "path:models/staging/staging.yml+",
    "+path:models/exposures.yml",
    "1+path:models/exposures.yml",
    "models/marts/marts.yml",
    "marts.yml",
    # files and paths without a method
    "customers.sql",
    "orders.sql+",
    "+forecast.py",
    "regions.csv",
    "1+vat_rates.sql+1",
    "stg_*.sql",
    "*.py",
    "*.csv",
    "nobody.sql",
    "Customers.sql",
    "dim_accounts_v1.sql",
    "rates.v2.sql",
    "models/finance",
    "models/finance/",
    "models/finance/vat_rates.sql",
    "+models/finance/v2",
    "models/*/v2/*.sql",
    "seeds/**",
    "finance/vat_rates.sql",
    "file:customers.sql",
    "file:customers",
    "file:stg_*",
    "file:*.csv",
    "file:regions",
    "file:orders_history",
    "file:rates",
    "file:rates.v2",
    "file:dim_accounts_v?.sql",
    "file:marts.yml",
    "+file:marts.yml",
    "file:staging.yml+",
    "file:models/marts/customers.sql",
    # packages
    "package:this",
    "package:shop",
    "package:crm",
    "package:t*",
    "package:th?s",
    "+package:this",
    "package:this+",
    "package:nobody",
    # the other methods
    "tag:fin*",
    "tag:finance+",
    "resource_type:models",
    "1+resource_type:exposure",
    "resource_type:test",
    "resource_type:mod*",
    "resource_type:*",
    "config.materialized:table,path:models/marts/*.sql",
    "config.materialized:tab*",
    "config.materialized:*",
    "exposure:shop.vat_report.x",
    # intersections
    "package:this,path:models/marts",
    "package:this,customers.sql",
    "package:crm,path:models/marts",
    "path:models/marts/marts.yml,tag:crm",
    "path:models/marts/marts.yml,path:models/finance/**",
    "path:seeds/**,seeds/seeds.yml",
    "+finance.v2,path:models/staging",
    "marts.dim_accounts.v1,tag:crm",
    "tag:finance,*.sql",
    "file:v*,tag:finance",
    "finance.vat_rates+,resource_type:model",
)

# Run by the environment's own Python: one process for all selectors is twenty times faster.
ASK = """
import json, sys
from dbt.cli.main import dbtRunner
parsed = dbtRunner().invoke(["--quiet", "parse"])
assert parsed.success, parsed.exception
runner, answers = dbtRunner(manifest=parsed.result), {}
listing = ["--quiet", "ls", "--output", "json", "--output-keys", "unique_id"]
listing += [f"--resource-type={kind}" for kind in ("model", "seed", "snapshot")]
for selector in json.load(sys.stdin):
    ended = runner.invoke([*listing, "--select", selector])
    found = [json.loads(line)["unique_id"] for line in ended.result or ()]
    answers[selector] = sorted(found) if ended.success else None
with open("selections.json", "w") as file:
    json.dump(answers, file)
"""


def main() -> None:
    dbt = install_dbt(ENVIRONMENT, "--no-deps", "-r", REQUIREMENTS)
    with tempfile.TemporaryDirectory(prefix="relay-recording-") as folder:
        workspace = Workspace.copied_into(Path(folder).resolve(), PROJECT, dbt)
        workspace.run(Invocation("deps", ("deps",)))
        workspace.run(PARSE)
        manifest = workspace.read(PARSE, "manifest.json")
        assert manifest is not None
        recorded = workspace.root / "recorded"
        recorded.mkdir()
        content = as_text(without_macros(manifest)).encode()
        (recorded / "manifest.json.gz").write_bytes(gzip.compress(content, mtime=0))
        (recorded / "selections.json").write_text(as_lines(ask_dbt(workspace)))
        publish(recorded, PROJECT / "recorded", workspace)


def ask_dbt(workspace: Workspace) -> dict[str, list[str] | None]:
    """Ask dbt which models, seeds and snapshots each selector means."""
    environment = {
        "PATH": os.defpath,
        "HOME": str(workspace.root),
        "DBT_PROFILES_DIR": str(workspace.project),
    }
    ended = subprocess.run(
        [workspace.dbt.parent / "python", "-c", ASK],
        cwd=workspace.project,
        env=environment,
        input=json.dumps(SELECTORS),
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        sys.exit(f"exit code {ended.returncode}\n{ended.stdout}{ended.stderr}")
    answers: dict[str, list[str] | None] = json.loads(
        (workspace.project / "selections.json").read_text()
    )
    return answers


def as_lines(answers: dict[str, list[str] | None]) -> str:
    """One line a selector."""
    lines = (f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in answers.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    main()
