"""Traversal of a node graph, which may have cycles. No I/O here."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Edges = Mapping[str, Sequence[str]]  # without nodes that have no edges

EVERY_LEVEL = 10**9


def walk(
    start: Iterable[str],
    edges: Edges,
    *,
    passes_through: Callable[[str], bool] = lambda _: True,
    levels: int = EVERY_LEVEL,
) -> Iterator[str]:
    """The nodes reachable from the start nodes, each once, without the start nodes themselves.

    The traversal continues only from nodes with a true `passes_through`, up to `levels` edges.
    """
    seen = set(start)
    frontier = list(seen)
    while frontier and levels:
        beyond = []
        for node in frontier:
            for neighbour in edges.get(node, ()):
                if neighbour not in seen:
                    seen.add(neighbour)
                    yield neighbour
                    if passes_through(neighbour):
                        beyond.append(neighbour)
        frontier, levels = beyond, levels - 1
