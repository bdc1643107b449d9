"""What to write instead of dbt's selectors that relay does not support. No I/O here.

https://docs.getdbt.com/reference/node-selection/methods
"""

import re

_BY_NAME_OR_PLACE = "write `group:`, `tag:` or `path:`, or name the models"
_THE_RUN_TELLS = (
    "relay knows what each run rebuilt; write the models that the sync reads, and it is triggered "
    "by the runs that rebuilt one of them, whatever these runs selected"
)
_TESTED = "tests rebuild nothing; write the models that are tested (a failed test withholds)"
_INSTEAD = {
    "access": _BY_NAME_OR_PLACE,
    "config": f"relay reads `config.materialized:` only; {_BY_NAME_OR_PLACE}",
    "metric": (
        "it has no table; write the models behind it, or `exposure:` with an exposure that "
        "depends on it"
    ),
    "result": _THE_RUN_TELLS,
    "saved_query": "it has no table; write the models behind it",
    "selector": "write what selectors.yml has for it, each selector as an item of its own",
    "semantic_model": "it has no table; write the models behind it",
    "source": (
        "dbt rebuilds no source; write the models that read the source, such as `stg_orders` "
        "(`stg_orders+` with everything downstream)"
    ),
    "source_status": _THE_RUN_TELLS,
    "state": _THE_RUN_TELLS,
    "test_name": _TESTED,
    "test_type": _TESTED,
    "unit_test": _TESTED,
    "version": "write `customers.v2` for one version, `customers` for all",
}
_NAMELIKE = frozenset({"model", "models", "name", "node", "ref", "seed", "snapshot", "unique_id"})
# `ref('customers')` and `source('raw', 'orders')`, also with Jinja's braces and dbt's `+`.
_CALL = re.compile(r"[+\d]*(?:\{\{)?\s*(ref|source)\s*\((.*)\)\s*(?:\}\})?[+\d]*")
_TEXT_IN_QUOTES = re.compile(r"""["']([^"']+)["']""")
_VERSION = re.compile(r"""\bv(?:ersion)?\s*=\s*["']?(\w+)""")
_METHODS_OF_CONFIGS = {"config.group": "group", "config.tags": "tag"}


def instead_of_method(method: str, value: str) -> str | None:
    """What to write instead of an unsupported method; None for an unknown one."""
    if method in _METHODS_OF_CONFIGS:
        instead = f"write `{_METHODS_OF_CONFIGS[method]}:{value}`"
    elif method in _NAMELIKE:
        return f": dbt has no selector `{method}:`; write the name alone, `{value}`"
    elif method.partition(".")[0] in _INSTEAD:
        instead = _INSTEAD[method.partition(".")[0]]
    else:
        return None
    return f": `{method}:` is not supported; {instead}"


def instead_of_at(start: str) -> str:
    """What to write instead of dbt's `@` operator."""
    return (
        f": the operator `@` is not supported; write `{start}+` for it and what reads it, "
        f"`+{start}+` with what it reads"
    )


def instead_of_call(text: str) -> str | None:
    """What to write instead of a `ref` or `source` call; None for any other text."""
    call = _CALL.fullmatch(text)
    if call is None:
        return None
    if call[1] == "source":
        return _INSTEAD["source"]
    version = _VERSION.search(call[2])
    names = _TEXT_IN_QUOTES.findall(_VERSION.sub("", call[2])) or ["customers"]
    suffix = f".v{version[1]}" if version else ""
    return f"write the model's name, `{names[-1]}{suffix}`"


def instead_of_blanks(text: str) -> str:
    """What to write instead of a text with blanks."""
    if text.startswith("-"):
        return "write the selectors alone, without the options of dbt's command line"
    alone = "write each selector as an item of its own"
    if ", " in text:
        return f"{alone}; or, for what two of them both select, no blank behind the comma"
    return alone
