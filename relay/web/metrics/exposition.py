"""Prometheus's text format. Written here, because thousands of lines must take milliseconds."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from relay.store.tallies import INFINITE, Labels
from relay.web.metrics.catalogue import Kind, LabelValues, Metric

Tallied = Mapping[str, Mapping[Labels, float]]


def family(metric: Metric, samples: Iterable[tuple[LabelValues, float | None]]) -> str:
    """A counter or gauge; label values in the metric's order. A value of None is left out."""
    lines = (
        f"{metric.name}{braced(metric.labels, values)} {number(value)}\n"
        for values, value in samples
        if value is not None
    )
    return head(metric) + "".join(lines)


def head(metric: Metric) -> str:
    """The two lines before a metric's samples."""
    return f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.kind}\n"


def tallied_family(metric: Metric, tallied: Tallied) -> str:
    """A counter or histogram of the database. Unknown labels are left out."""
    if metric.kind is Kind.HISTOGRAM:
        return head(metric) + "".join(_histogram_lines(metric, tallied))
    values = dict.fromkeys(metric.known, 0.0) | _by_values(metric, metric.name, tallied)
    return family(metric, values.items())


def braced(names: Iterable[str], values: Iterable[str]) -> str:
    """`{status="accepted"}`; nothing without labels."""
    return f"{{{text}}}" if (text := pairs(names, values)) else ""


def pairs(names: Iterable[str], values: Iterable[str]) -> str:
    """`workspace="default",sync_id="5123"`."""
    named = zip(names, values, strict=True)
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in named)


def number(value: float) -> str:
    """Without a fraction where there is none."""
    return str(int(value)) if value == int(value) else repr(value)


def _histogram_lines(metric: Metric, tallied: Tallied) -> Iterator[str]:
    sums = _by_values(metric, f"{metric.name}_sum", tallied)
    bounds = [*map(str, metric.buckets), INFINITE]
    for values in {**dict.fromkeys(metric.known), **dict.fromkeys(sums)}:
        labels = tuple(sorted(zip(metric.labels, values, strict=True)))
        stored = tallied.get(f"{metric.name}_bucket", {})
        counts = [stored.get(tuple(sorted((*labels, ("le", le)))), 0.0) for le in bounds]
        named = (*metric.labels, "le")
        for bound, count in zip(bounds, accumulate(counts), strict=True):
            le = bound if bound == INFINITE else str(float(bound))
            yield f"{metric.name}_bucket{braced(named, (*values, le))} {number(count)}\n"
        braces = braced(metric.labels, values)
        yield f"{metric.name}_sum{braces} {number(sums.get(values, 0.0))}\n"
        yield f"{metric.name}_count{braces} {number(sum(counts))}\n"


def _by_values(metric: Metric, name: str, tallied: Tallied) -> dict[LabelValues, float]:
    """The stored values of a name, by label values in the metric's order."""
    found: dict[LabelValues, float] = {}
    for labels, value in tallied.get(name, {}).items():
        given = dict(labels)
        if given.keys() == set(metric.labels):
            found[tuple(given[label] for label in metric.labels)] = value
    return found


def _escaped(value: str) -> str:
    if "\\" in value or '"' in value or "\n" in value:
        return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return value
