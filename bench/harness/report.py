"""Options, tables and targets, common to all benchmarks."""

import argparse
import importlib.metadata
import json
import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol


class Results(Protocol):
    """The results of a benchmark."""

    @property
    def has_passed(self) -> bool:
        """Whether the command's exit status is 0."""

    def table(self) -> str:
        """The tables for a terminal."""

    def report(self) -> str:
        """The tables with a heading, the machine and the settings: the file in bench/."""

    def as_json(self) -> dict[str, object]:
        """Every number."""


def parser_of(about: str) -> argparse.ArgumentParser:
    """The options of every benchmark that writes its own report."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--json", action="store_true", help="print every number as JSON")
    return parser


def publish(results: Results, path: Path, options: argparse.Namespace) -> int:
    """Print what was measured, keep the report, and return the exit status."""
    print(json.dumps(results.as_json(), indent=2) if options.json else results.table())
    path.write_text(results.report(), encoding="utf-8")
    return 0 if results.has_passed else 1


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


def markdown(heading: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table with aligned columns: text to the left, numbers to the right."""
    widths = [max(len(row[at]) for row in (heading, *rows)) for at in range(len(heading))]
    rule = ("-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:]))
    return "\n".join(_line(row, widths) for row in (heading, rule, *rows))


def targets_table(targets: Iterable[tuple[str, str, bool]]) -> str:
    """Each target with the value that was measured, and whether it is met."""
    rows = [(target, value, "yes" if is_met else "no") for target, value, is_met in targets]
    return markdown(("target", "value", "met"), rows)


def percentile(values: Iterable[float], percent: int) -> float:
    """The value that so many percent of all do not exceed."""
    in_order = sorted(values)
    return in_order[len(in_order) * percent // 100]


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    numbers = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
    return f"| {' | '.join((row[0].ljust(widths[0]), *numbers))} |"
