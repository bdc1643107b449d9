"""What a dbt run did: its steps, and its models with the syncs that read them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from relay.dbt.runs import Step
from relay.workspaces import DEFAULT_WORKSPACE, SyncKey


class RunStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step as judged; `not_counted` is why its results do not count.

    It is None if they do, and for runs of earlier versions, which did not record it.
    """

    index: int
    name: str
    command: str | None
    status: str
    counts: bool
    not_counted: str | None


class RunModel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the run did to a model, and the first syncs that read it, by workspace and id."""

    unique_id: str
    result: str
    failed_a_test: bool
    syncs: Sequence[SyncKey]


class RunModels(msgspec.Struct, frozen=True, kw_only=True):
    """How many models have which result, and the models, in part for a run of very many.

    `concerned` are read by some sync, or failed; `others` are neither.
    """

    counts: Mapping[str, int]
    concerned: Sequence[RunModel]
    others: Sequence[RunModel]

    @property
    def total(self) -> int:
        """The number of models, also of those that are not listed."""
        return sum(self.counts.values())


def steps_in(stored: Iterable[Mapping[str, Any]]) -> tuple[RunStep, ...]:
    """The steps as recorded with the run."""
    return tuple(
        RunStep(
            index=step["index"],
            name=step["name"],
            command=step["command"],
            status=Step(step["index"], step["name"], step["status"], None).status_name,
            counts=step["counts"],
            not_counted=step.get("not_counted"),
        )
        for step in stored
    )


def models_in(stored: Mapping[str, Any]) -> RunModels:
    """The models as recorded with the run."""
    models = [
        RunModel(
            unique_id=unique_id,
            result=result,
            failed_a_test=failed_a_test,
            syncs=[_key(each) for each in syncs],
        )
        for unique_id, result, failed_a_test, syncs in stored["models"]
    ]
    return RunModels(
        counts=stored["counts"],
        concerned=[model for model in models if _is_of_concern(model)],
        others=[model for model in models if not _is_of_concern(model)],
    )


def _is_of_concern(model: RunModel) -> bool:
    return bool(model.syncs) or model.failed_a_test or model.result == "failed"


def _key(display_id: int | str) -> SyncKey:
    """The sync of a display id, `5123` or `emea/5123`."""
    if isinstance(display_id, int):
        return DEFAULT_WORKSPACE, display_id
    workspace, _, sync_id = display_id.rpartition("/")
    return workspace, int(sync_id)
