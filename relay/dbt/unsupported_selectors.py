"""What to write instead of dbt's selectors that relay does not support. No I/O here.

https://docs.getdbt.com/reference/node-selection/methods
"""

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
_METHODS_OF_CONFIGS = {"config.group": "group", "config.tags": "tag"}


def instead_of_method(method: str, value: str) -> str | None:
    """What to say of a method of dbt's that is not supported; None if it is no method of dbt's."""
    if method in _METHODS_OF_CONFIGS:
        instead = f"write `{_METHODS_OF_CONFIGS[method]}:{value}`"
    elif method.partition(".")[0] in _INSTEAD:
        instead = _INSTEAD[method.partition(".")[0]]
    else:
        return None
    return f": `{method}:` is not supported; {instead}"


def instead_of_at(start: str) -> str:
    """What to say of dbt's `@` in front of a selector."""
    return (
        f": the operator `@` is not supported; write `{start}+` for it and what reads it, "
        f"`+{start}+` with what it reads"
    )
