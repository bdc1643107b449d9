"""`include_related`: which related objects a response includes.

github.com/dbt-labs/dbt-cloud-openapi-spec, openapi-v2.yaml, calls it a list, for some routes a
comma-separated one. Clients send four forms, and all have the same effect:

- `run_steps,job`: dbtc, dagster-dbt (both versions of its client)
- `["run_steps"]`: dbt's own guides, docs.getdbt.com/guides/zapier-slack
- `['run_steps']`: dbt-labs/dbt-mcp, src/dbt_mcp/dbt_admin/client.py
- `run_steps` and `job`, each as its own parameter: prefect-dbt, and apache/airflow's hook

A name with brackets, `include_related[]=job`, is refused, see `dbt_list_query`.
"""

import re

from flask import abort
from werkzeug.datastructures import MultiDict

_WORD = re.compile(r"[a-z_]+")


def related_in(args: MultiDict[str, str]) -> frozenset[str]:
    """The names in all `include_related` of a query string, in any form.

    Unknown names are ignored, as by dbt Cloud. Aborts with 400.
    """
    if misspelled := sorted(key for key in args if key.startswith("include_related[")):
        abort(400, f"Additional properties are not allowed ({misspelled[0]!r} was unexpected)")
    return frozenset(_WORD.findall(",".join(args.getlist("include_related"))))
