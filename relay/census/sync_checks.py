"""What the keys of a new sync's file have to say together. No I/O here.

What Census certainly refuses is a problem; what has no effect, or an effect that a person may not
expect beside relay, is a warning.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from relay.census.sync_source_form import NAMES_OF_A_TABLE

# A key that counts only beside a value of another one.
_ONLY_WITH = (
    ("mirror_strategy", "operation", "mirror"),
    ("historical_sync_operation", "operation", "append"),
    ("high_water_mark_attribute", "operation", "append"),
    ("field_normalization", "field_behavior", "sync_all_properties"),
)
_CRON_FIELDS = 5

Fields = Mapping[str, Any]


class Report(Protocol):
    """Takes problems and warnings, each at a path."""

    def problem(self, path: str, what: str) -> None: ...

    def warn(self, path: str, what: str) -> None: ...


def check_sync(content: Fields, report: Report) -> None:
    """Check the file's content, of which any part may be invalid or missing."""
    _check_source(_within(content, "source_attributes"), report)
    _check_destination(content, report)
    _check_identifiers(content.get("mappings"), report)
    _check_mode(_within(content, "mode"), report)
    for key, other, value in _ONLY_WITH:
        if key in content and content.get(other) != value:
            report.warn(key, f"no effect: it counts only with `{other}: {value}`")
    if content.get("paused") is False:
        report.warn("paused", "the new sync may start at once")


def _check_source(source: Fields, report: Report) -> None:
    path = "source_attributes"
    if source and "object" not in source and "data_source" not in source:
        report.problem(path, "`object` is missing")
    found = _within(source, "object")
    _check_object(found, report)
    chosen = [key for key in ("filter_segment_id", "cohort_id") if key in source]
    if len(chosen) > 1:
        report.problem(f"{path}.{chosen[1]}", "a sync reads a segment or a cohort, not both")
    for key in chosen:
        if found.get("type") in ("table", "topic"):
            what = f"it goes with a dataset, and `object` is a {found['type']}"
            report.problem(f"{path}.{key}", what)


def _check_object(found: Fields, report: Report) -> None:
    path = "source_attributes.object"
    match found.get("type"):
        case "table" if "id" not in found:
            missing = [name for name in NAMES_OF_A_TABLE if name not in found]
            if missing:
                what = f"a table needs `id`, or all of {_listed(NAMES_OF_A_TABLE)}"
                report.problem(path, f"{what}: {_listed(missing)} is missing")
        case "model" | "topic" as kind if "id" not in found and "name" not in found:
            report.problem(path, f"a {kind} needs `id` or `name`")


def _check_destination(content: Fields, report: Report) -> None:
    destination = _within(content, "destination_attributes")
    if destination and "connection_id" not in destination and "activation_id" not in content:
        report.problem(
            "destination_attributes",
            "`connection_id` is missing (with v2 of the API `activation_id`, beside "
            "`destination_attributes`)",
        )


def _check_identifiers(mappings: object, report: Report) -> None:
    if not isinstance(mappings, list) or not mappings:
        return
    key = "is_primary_identifier"
    named = [number for number, each in enumerate(_dicts(mappings)) if each.get(key) is True]
    if not named:
        report.problem("mappings", f"one of them needs `{key}: true`")
    for number in named[1:]:
        what = f"mappings[{named[0]}] is the primary identifier already, and there is only one"
        report.problem(f"mappings[{number}].{key}", what)


def _check_mode(mode: Fields, report: Report) -> None:
    if mode.get("type") == "live":
        report.warn("mode.type", "Census has retired live syncs, and relay cannot trigger one")
    triggers = _within(mode, "triggers")
    schedule = _within(triggers, "schedule")
    _check_schedule(schedule, report)
    own = [key for key in ("dbt_cloud", "fivetran", "sync_sequence") if key in triggers]
    if schedule.get("frequency") not in (None, "never"):
        own.insert(0, "schedule")
    for key in own:
        what = "Census starts this sync itself: if relay triggers it as well, it runs twice"
        report.warn(f"mode.triggers.{key}", what)


def _check_schedule(schedule: Fields, report: Report) -> None:
    path = "mode.triggers.schedule"
    frequency, cron = schedule.get("frequency"), schedule.get("cron_expression")
    if frequency == "expression" and cron is None:
        report.problem(path, "`frequency: expression` needs `cron_expression`")
    if cron is not None and frequency not in (None, "expression"):
        what = f"it goes with `frequency: expression`, not with `{frequency}`"
        report.problem(f"{path}.cron_expression", what)
    if isinstance(cron, str) and cron and len(cron.split()) != _CRON_FIELDS:
        what = 'expected the five fields of cron, like "30 6 * * 1-5", in UTC'
        report.problem(f"{path}.cron_expression", what)


def _within(content: Fields, key: str) -> Fields:
    found = content.get(key)
    return found if isinstance(found, dict) else {}


def _dicts(items: list[object]) -> Iterator[Fields]:
    return (item if isinstance(item, dict) else {} for item in items)


def _listed(names: tuple[str, ...] | list[str]) -> str:
    *most, last = (f"`{name}`" for name in names)
    return f"{', '.join(most)} and {last}" if most else last
