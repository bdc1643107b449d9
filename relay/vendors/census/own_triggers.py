"""What starts a sync in Census itself, in each of the spellings its API has had.

Since 2024 `mode.triggers`; in 2023 `triggers`, beside `schedule_*`; in 2021 `schedule_*` and
`trigger_on_dbt_cloud_rebuild`. An answer can have several: of each kind of trigger the newest that
says anything of it counts.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from relay.census.syncs import OwnTrigger, StartedBy
from relay.vendors.census.fields import flag, items, mapping, message

Fields = Mapping[str, Any]

_SCHEDULE, _DBT_CLOUD = "schedule", "dbt_cloud"
_OF_2021 = "trigger_on_dbt_cloud_rebuild"
_NEVER = frozenset({"never", "manual"})


def own_triggers(sync: Fields) -> tuple[OwnTrigger, ...] | None:
    """What starts a sync, None where the answer says nothing at all about triggers."""
    mode = mapping(sync.get("mode"))
    if not mode and not _says_so_in_an_older_spelling(sync):
        return None
    live = (OwnTrigger(StartedBy.LIVE, ""),) if message(mode.get("type")) == "live" else ()
    return (*live, *_triggered(_newest_of_each_kind(mode, sync)))


def _says_so_in_an_older_spelling(sync: Fields) -> bool:
    schedule = (message(sync.get(key)) for key in ("schedule_frequency", "cron_expression"))
    is_said = flag(sync.get(_OF_2021)) is not None or isinstance(sync.get("triggers"), dict)
    return is_said or any(schedule)


def _newest_of_each_kind(mode: Fields, sync: Fields) -> dict[str, Any]:
    older: dict[str, Any] = {_SCHEDULE: _flat_schedule(sync)}
    if flag(sync.get(_OF_2021)):
        older[_DBT_CLOUD] = True
    return older | _said(sync.get("triggers")) | _said(mode.get("triggers"))


def _said(triggers: object) -> dict[str, Any]:
    return {kind: said for kind, said in mapping(triggers).items() if said is not None}


def _flat_schedule(sync: Fields) -> dict[str, Any]:
    keys = ("frequency", "day", "hour", "minute")
    return {key: sync.get(f"schedule_{key}") for key in keys} | {
        "cron_expression": sync.get("cron_expression")
    }


def _triggered(triggers: Fields) -> Iterator[OwnTrigger]:
    for kind, written in triggers.items():
        for one in items(written) or [written]:
            if _says_nothing(one):
                continue
            started_by, describe = _KINDS.get(kind, (StartedBy.OTHER, None))
            detail = describe(mapping(one)) if describe else message(kind) or ""
            if detail is not None:
                yield OwnTrigger(started_by, detail)


def _says_nothing(written: object) -> bool:
    """Null, false, or an object of which every field is null."""
    if isinstance(written, dict):
        return all(value is None for value in written.values())
    return not written


def _schedule(fields: Fields) -> str | None:
    """How often, in words; None for a sync that no schedule starts."""
    frequency = message(fields.get("frequency"))
    cron = message(fields.get("cron_expression"))
    if frequency in _NEVER or (frequency is None and cron is None):
        return None
    if cron and frequency in (None, "expression"):
        return f"cron {cron}"
    return f"{frequency}{_moment(fields, frequency)}"


def _moment(fields: Fields, frequency: str | None) -> str:
    """`on Monday at 10:30`, as far as it is said and the frequency has it."""
    day, hour, minute = (_number_or_text(fields.get(key)) for key in ("day", "hour", "minute"))
    if frequency == "hourly":
        return f" at minute {minute}" if minute else ""
    on = f" on {day}" if day and frequency == "weekly" else ""
    has_hour = hour is not None and frequency in ("daily", "weekly")
    return f"{on} at {hour}:{(minute or '0').zfill(2)}" if has_hour else on


def _number_or_text(written: object) -> str | None:
    if isinstance(written, int) and not isinstance(written, bool):
        return str(written)
    return message(written)


def _dbt_cloud(fields: Fields) -> str:
    job, project = message(fields.get("job_id")), message(fields.get("project_id"))
    parts = (f"job {job}" if job else None, f"project {project}" if project else None)
    return " of ".join(part for part in parts if part)


def _fivetran(fields: Fields) -> str:
    name = message(fields.get("job_name")) or message(fields.get("job_id"))
    return f"job {name}" if name else ""


def _sequence(fields: Fields) -> str:
    parent = message(fields.get("sync_id"))
    return f"after sync {parent}" if parent else ""


_KINDS: dict[str, tuple[StartedBy, Callable[[Fields], str | None]]] = {
    _SCHEDULE: (StartedBy.SCHEDULE, _schedule),
    _DBT_CLOUD: (StartedBy.DBT_CLOUD, _dbt_cloud),
    "fivetran": (StartedBy.FIVETRAN, _fivetran),
    "sync_sequence": (StartedBy.SYNC_SEQUENCE, _sequence),
}
