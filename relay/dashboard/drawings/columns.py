"""A picture in columns: boxes, and edges from each column to the next one."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

BOX_WIDTH = 270
BOX_HEIGHT = 40
GAP_ACROSS = 90
GAP_BELOW = 12
MARGIN = 4
HEADING = 24

Node = TypeVar("Node", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Box(Generic[Node]):
    """A box at its place, in user units."""

    node: Node
    x: int
    y: int
    width: int = BOX_WIDTH
    height: int = BOX_HEIGHT


class Edge(msgspec.Struct, frozen=True):
    """A curve from the right side of a box to the left side of another one, as a path's `d`."""

    path: str


class Heading(msgspec.Struct, frozen=True):
    """The title of a column."""

    title: str
    x: int
    y: int = 14


@dataclass(frozen=True, slots=True)
class Columns(Generic[Node]):
    """The whole drawing."""

    width: int
    height: int
    headings: tuple[Heading, ...]
    edges: tuple[Edge, ...]
    boxes: tuple[Box[Node], ...]


def draw(
    columns: Mapping[str, Sequence[Node]], edges: Iterable[tuple[Node, Node]]
) -> Columns[Node]:
    """Draw columns, by their titles, with edges between neighbours.

    The last column keeps its order; each one before it is ordered by what its nodes lead to.
    """
    edges = tuple(dict.fromkeys(edges))
    placed: dict[Node, Box[Node]] = {}
    in_order: Sequence[Node] = ()
    for number, nodes in reversed(tuple(enumerate(columns.values()))):
        in_order = _ordered(nodes, in_order, edges)
        placed |= {node: _box(node, number, row) for row, node in enumerate(in_order)}
    most = max(map(len, columns.values()), default=0)
    return Columns(
        width=2 * MARGIN + len(columns) * BOX_WIDTH + (len(columns) - 1) * GAP_ACROSS,
        height=HEADING + most * (BOX_HEIGHT + GAP_BELOW),
        headings=tuple(Heading(title, _left(number)) for number, title in enumerate(columns)),
        edges=tuple(_edge(placed[a], placed[b]) for a, b in edges if a in placed and b in placed),
        boxes=tuple(placed[node] for nodes in columns.values() for node in nodes),
    )


def _ordered(
    nodes: Sequence[Node], after: Sequence[Node], edges: Iterable[tuple[Node, Node]]
) -> Sequence[Node]:
    """Nodes that lead to the same ones stand together, so that few edges cross."""
    row_of = {node: row for row, node in enumerate(after)}
    rows: dict[Node, list[int]] = {}
    for begin, end in edges:
        if end in row_of:
            rows.setdefault(begin, []).append(row_of[end])
    if not after:
        return nodes
    middle = {node: sum(found) / len(found) for node, found in rows.items()}
    return sorted(nodes, key=lambda node: middle.get(node, len(after)))


def _box(node: Node, column: int, row: int) -> Box[Node]:
    return Box(node, _left(column), HEADING + row * (BOX_HEIGHT + GAP_BELOW))


def _left(column: int) -> int:
    return MARGIN + column * (BOX_WIDTH + GAP_ACROSS)


def _edge(begin: Box[Node], end: Box[Node]) -> Edge:
    x1, y1 = begin.x + begin.width, begin.y + begin.height // 2
    x2, y2 = end.x, end.y + end.height // 2
    middle = (x1 + x2) // 2
    return Edge(f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}")
