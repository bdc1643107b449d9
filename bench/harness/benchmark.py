"""What every benchmark does: read its options, print its report, keep it, judge its targets."""

import argparse
import importlib.metadata
import os
import platform
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog


class Sample(list[float]):
    """What was measured again and again."""

    @property
    def least(self) -> float:
        return min(self)

    @property
    def most(self) -> float:
        return max(self)

    @property
    def mean(self) -> float:
        return statistics.mean(self)

    @property
    def median(self) -> float:
        return statistics.median(self)

    @property
    def p95(self) -> float:
        return self._percentile(95)

    @property
    def p99(self) -> float:
        return self._percentile(99)

    def _percentile(self, percent: int) -> float:
        return sorted(self)[len(self) * percent // 100]


@dataclass(frozen=True, slots=True)
class Target:
    """A target, the value that was measured, and whether it is met."""

    what: str
    value: str
    is_met: bool


def at_most(what: str, value: float, limit: float, form: str = ".2f") -> Target:
    """A value that may not exceed a limit; `form` formats the value."""
    return Target(f"{what} <= {limit:,g}", format(value, form), value <= limit)


def at_least(what: str, value: float, limit: float, form: str = ".2f") -> Target:
    """A value that may not be below a limit."""
    return Target(f"{what} >= {limit:,g}", format(value, form), value >= limit)


def none_of(what: str, count: int) -> Target:
    """Something of which there may be none."""
    return Target(f"{what}: 0", str(count), count == 0)


@dataclass(frozen=True, slots=True)
class Report:
    """What a benchmark has to say.

    `how` are sentences about its settings, `parts` its tables and sentences, `packages` what was
    measured, and `numbers` every number, in dataclasses.
    """

    title: str
    how: str
    packages: Sequence[str]
    parts: Sequence[str]
    targets: Sequence[Target]
    numbers: object

    @property
    def has_passed(self) -> bool:
        """Whether every target is met."""
        return all(target.is_met for target in self.targets)

    def text(self, where: str) -> str:
        """The page beside the benchmark."""
        rows = [(each.what, each.value, "yes" if each.is_met else "no") for each in self.targets]
        targets = markdown(("target", "value", "met"), rows)
        return "\n\n".join((f"# {self.title}", f"{where} {self.how}", *self.parts, targets)) + "\n"

    def json(self, where: str) -> str:
        """Every number and every target."""
        content = {"machine": where, "numbers": self.numbers, "targets": self.targets}
        return msgspec.json.format(msgspec.json.encode(content)).decode()


def options(
    about: str | None, *, seconds: float | None = None, rounds: int | None = None
) -> argparse.ArgumentParser:
    """The options of a benchmark, with these values by default; None if it has no such option."""
    parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print every number as JSON")
    parser.add_argument("--write", action="store_true", help="keep the report in bench/NAME.md")
    if seconds is not None:
        what = f"of a window (default: {seconds:g})"
        parser.add_argument("--seconds", type=float, default=seconds, help=what)
    if rounds is not None:
        what = f"of everything that is repeated (default: {rounds})"
        parser.add_argument("--rounds", type=int, default=rounds, help=what)
    return parser


def run(measure: Callable[[argparse.Namespace], Report], parser: argparse.ArgumentParser) -> int:
    """Measure, print, keep the report if asked to; return 1 if a target is missed, or 0."""
    given = parser.parse_args()
    load_average, *_ = os.getloadavg()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
    report = measure(given)
    where = f"{machine(*report.packages)}. The load average was {load_average:.1f} at the start."
    print(report.json(where) if given.json else report.text(where))
    if given.write:
        Path(sys.argv[0]).with_suffix(".md").write_text(report.text(where), encoding="utf-8")
    return 0 if report.has_passed else 1


def machine(*packages: str) -> str:
    """When and where: date, cores, their model, and the versions of what was measured."""
    versions = [f"{package} {importlib.metadata.version(package)}" for package in packages]
    words = (
        f"{datetime.now(UTC):%Y-%m-%d}",
        f"{os.cpu_count()} cores of {_cpu_model()}",
        f"Linux {platform.release().split('-')[0]}",
        f"Python {platform.python_version()}",
        *versions,
    )
    return ", ".join(words)


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def table(records: Iterable[object], columns: Mapping[str, str]) -> str:
    """A row for each record; a column's format takes it, as in `{.seconds:.1f}`."""
    rows = [tuple(form.format(record) for form in columns.values()) for record in records]
    return markdown(tuple(columns), rows)


def markdown(heading: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table with aligned columns: text to the left, numbers to the right."""
    widths = [max(len(row[at]) for row in (heading, *rows)) for at in range(len(heading))]
    rule = ("-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:]))
    return "\n".join(_line(row, widths) for row in (heading, rule, *rows))


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    numbers = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
    return f"| {' | '.join((row[0].ljust(widths[0]), *numbers))} |"
