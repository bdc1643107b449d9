"""The graph of a large dbt project: models in layers, and which of them read which."""

import itertools
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Earlier = defaultdict[tuple[int, int], list[str]]  # unique_ids by layer and area

PROJECT = "jaffle_crm"
PACKAGES = (PROJECT, PROJECT, PROJECT, "billing", "logistics", "web_events")
AREAS = 67  # each a folder in every layer, that reads its own models and some of the next one's
NEXT_AREA = 0.15  # of the parents
PARENTS_PER_MODEL = {1: 0.3, 2: 0.35, 3: 0.28, 6: 0.07}
TESTS_PER_MODEL = {0: 0.12, 1: 0.31, 2: 0.38, 3: 0.13, 4: 0.06}  # 1.7 on average
TAGS = [
    f"{what}_{number}" for what in ("team", "mart", "pii", "sla", "crm") for number in range(20)
]
_NOUNS = """
account amount balance campaign channel country coupon customer delivery discount event gross
invoice item margin month order payment plan price product rate refund region renewal revenue
segment session share source status stock subscriber supplier tax ticket total user visit week
"""
WORDS = _NOUNS.split()


@dataclass(frozen=True, slots=True)
class Layer:
    """Its share of the models, what they are materialized as, and the layers they read."""

    prefix: str
    folder: str
    share: float
    materialized: Mapping[str, float]
    reads: Mapping[int, float]


_STAGING = {"view": 0.9, "ephemeral": 0.1}
_INTERMEDIATE = {"view": 0.5, "ephemeral": 0.2, "table": 0.2, "incremental": 0.1}
_MARTS = {"table": 0.55, "incremental": 0.3, "view": 0.15}
LAYERS = (
    Layer("stg", "staging", 0.3, _STAGING, {}),
    Layer("int", "intermediate", 0.3, _INTERMEDIATE, {0: 0.55, 1: 0.45}),
    Layer("fct", "marts", 0.4, _MARTS, {0: 0.2, 1: 0.5, 2: 0.3}),
)


@dataclass(frozen=True, slots=True)
class Model:
    """A model's essential fields; the rest is generated while it is written."""

    number: int
    name: str
    package: str
    folder: str
    materialized: str
    tags: list[str]
    parents: list[str]  # unique_ids
    tests: int

    @property
    def unique_id(self) -> str:
        return f"model.{self.package}.{self.name}"


def grow(count: int) -> Iterator[Model]:
    """So many models, each after those it reads, and always the same."""
    rng = random.Random(count)
    earlier: Earlier = defaultdict(list)
    ends = list(itertools.accumulate(layer.share * count for layer in LAYERS))
    for number in range(count):
        at = next((at for at, end in enumerate(ends) if number < end), len(LAYERS) - 1)
        area = rng.randrange(AREAS)
        table = f"source.{PROJECT}.area_{area}.table_{number}"
        model = Model(
            number=number,
            name=f"{LAYERS[at].prefix}_{two_words(rng)}_{number}",
            package=PACKAGES[area % len(PACKAGES)],
            folder=f"{LAYERS[at].folder}/area_{area}",
            materialized=_drawn(rng, LAYERS[at].materialized),
            tags=rng.sample(TAGS, rng.randint(1, 2)),
            parents=_read_by(rng, at, area, earlier) or [table],
            tests=_drawn(rng, TESTS_PER_MODEL),
        )
        earlier[at, area].append(model.unique_id)
        yield model


def _read_by(rng: random.Random, layer: int, area: int, earlier: Earlier) -> list[str]:
    parents = []
    for _ in range(_drawn(rng, PARENTS_PER_MODEL) if LAYERS[layer].reads else 0):
        there = (area + 1) % AREAS if rng.random() < NEXT_AREA else area
        candidates = earlier[_drawn(rng, LAYERS[layer].reads), there]
        parents += [rng.choice(candidates)] if candidates else []
    return list(dict.fromkeys(parents))


def two_words(rng: random.Random) -> str:
    """A name of two words, in snake case."""
    return f"{rng.choice(WORDS)}_{rng.choice(WORDS)}"


def _drawn(rng: random.Random, weights: Mapping[Any, float]) -> Any:
    return rng.choices(list(weights), list(weights.values()))[0]
