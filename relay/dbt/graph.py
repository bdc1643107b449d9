"""Walking a graph of nodes, which may have circles. No I/O here."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Edges = Mapping[str, Sequence[str]]  # a node without any is not in it

EVERY_LEVEL = 10**9


def walk(
    start: Iterable[str],
    edges: Edges,
    *,
    passes_through: Callable[[str], bool] = lambda _: True,
    levels: int = EVERY_LEVEL,
) -> Iterator[str]:
    """The nodes that the edges lead to from the start, each once, the start itself left out.

    The walk goes on only behind nodes that it passes through, and `levels` edges far.
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
