"""How the mapping differs from Census and dbt: what is open, and what a comparison changes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from relay.census.findings import Comparison, Finding, Kind, Severity
from relay.notation import printable
from relay.store.transactions import Connection, Transactions, every


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRow:
    """A finding that was not resolved yet; `severity` is `problem` or `warning`.

    `sync_name` comes from the mapping file; the store leaves it None.
    """

    found_at: datetime
    workspace: str
    sync_id: int
    kind: str
    subject: str
    severity: str
    detail: str
    sync_name: str | None = None


class DriftChanges(NamedTuple):
    """What a comparison found that was not known, and what it found no more.

    `not_checked` is what could not be asked, empty if that was so the last time too.
    """

    found: list[DriftRow]
    resolved: list[DriftRow]
    not_checked: list[str]


class Drift(Transactions):
    """The open findings, one for each sync, kind and subject."""

    def last_digest(self) -> str | None:
        """The digest of the mapping that was compared last; None before the first time."""
        with self._statement() as connection:
            row = connection.execute("SELECT digest FROM relay.drift_checks").fetchone()
            return row[0] if row else None

    def all(self) -> list[DriftRow]:
        """Every open finding."""
        with self._statement() as connection:
            return every(connection, DriftRow, _ALL)

    def record(self, comparison: Comparison, *, digest: str, at: datetime) -> DriftChanges:
        """Keep what was found, and forget what was resolved; each is returned to one caller only.

        What could not be asked changes nothing. Notes are not kept.
        """
        findings = [
            finding
            for finding in comparison.findings
            if finding.severity in (Severity.PROBLEM, Severity.WARNING)
        ]
        with self._transaction() as connection:
            connection.execute("LOCK TABLE relay.drift IN SHARE ROW EXCLUSIVE MODE")
            known = {_key(row): row for row in every(connection, DriftRow, _ALL)}
            now = {_key(row): row for row in _rows(findings, at)}
            found = [row for key, row in now.items() if key not in known]
            resolved = [
                row
                for key, row in known.items()
                if key not in now
                and not comparison.leaves_open(Kind(row.kind), (row.workspace, row.sync_id))
            ]
            _keep(connection, now.values())
            _forget(connection, resolved)
            texts = sorted({printable(one.text) for one in comparison.unchecked})
            is_new = _note_check(connection, digest, at, texts)
            return DriftChanges(found, resolved, texts if is_new else [])


_Key = tuple[str, int, str, str]


def _key(row: DriftRow) -> _Key:
    return row.workspace, row.sync_id, row.kind, row.subject


def _rows(findings: Iterable[Finding], at: datetime) -> Iterable[DriftRow]:
    for one in findings:
        if one.workspace is not None and one.sync_id is not None:
            yield DriftRow(
                found_at=at,
                workspace=one.workspace,
                sync_id=one.sync_id,
                kind=one.kind,
                subject=printable(one.subject),
                severity=one.severity,
                detail=printable(one.text),
            )


def _keep(connection: Connection, rows: Iterable[DriftRow]) -> None:
    values = [(*_key(row), row.severity, row.detail, row.found_at) for row in rows]
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO relay.drift (workspace, sync_id, kind, subject, severity, detail, found_at)
            VALUES (%s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (workspace, sync_id, kind, subject) DO UPDATE
            SET severity = excluded.severity, detail = excluded.detail
            """,
            values,
        )


def _forget(connection: Connection, rows: Iterable[DriftRow]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "DELETE FROM relay.drift WHERE (workspace, sync_id, kind, subject) = (%s, %s, %s, %s)",
            [_key(row) for row in rows],
        )


def _note_check(connection: Connection, digest: str, at: datetime, not_checked: list[str]) -> bool:
    """Keep that this mapping was compared; return whether other things could not be asked."""
    before = connection.execute("SELECT not_checked FROM relay.drift_checks").fetchone()
    connection.execute(
        """
        INSERT INTO relay.drift_checks (digest, checked_at, not_checked) VALUES (%s, %s, %s)
        ON CONFLICT (is_last) DO UPDATE
        SET digest = excluded.digest, checked_at = excluded.checked_at,
            not_checked = excluded.not_checked
        """,
        (digest, at, not_checked),
    )
    return not_checked != (before[0] if before else [])


COLUMNS = "found_at, workspace, sync_id, kind, subject, severity, detail"
_ALL = f"SELECT {COLUMNS} FROM relay.drift"
