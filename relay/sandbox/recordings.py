"""Recorded artifacts of dbt, those of one invocation each, and changed copies of them.

recordings/README.md describes each of them and how they were made.
"""

import gzip
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import msgspec

_FOLDER = resources.files("relay.sandbox") / "recordings"
_FAILED = frozenset({"error", "fail", "runtime error", "partial success"})

# The times of an invocation itself. Other times, such as those of a microbatch, are data.
_TIMES = re.compile(
    rb'("(?:generated_at|invocation_started_at|run_started_at|started_at|completed_at|'
    rb'max_loaded_at|snapshotted_at)":\s*")([^"]+)(")'
)


@dataclass(frozen=True, slots=True)
class Recording:
    """The artifacts of one dbt invocation, as bytes; None for a file that it did not write."""

    name: str
    run_results: bytes | None
    manifest: bytes
    sources: bytes | None = None

    @property
    def command(self) -> str:
        """The command according to dbt: `dbt build`, `dbt docs generate`."""
        written = msgspec.json.decode(self.run_results or b"{}")
        which = written.get("args", {}).get("which", "build")
        return "dbt docs generate" if which == "generate" else f"dbt {which}"

    @property
    def failed(self) -> bool:
        """Whether dbt ended with an error."""
        written = self.run_results or self.sources
        results = msgspec.json.decode(written)["results"] if written else []
        return any(result["status"] in _FAILED for result in results)

    def with_results(self, statuses: Mapping[str, str]) -> "Recording":
        """The same invocation with other statuses of nodes: `{unique_id: status}`."""
        return self._with_each(statuses, "status")

    def with_message(self, unique_id: str, message: str) -> "Recording":
        """The same invocation with another message of a node."""
        return self._with_each({unique_id: message}, "message")

    def with_args(self, **args: Any) -> "Recording":
        """The same invocation with additional flags."""
        return self._with_run_results(lambda artifact: artifact["args"].update(args))

    def only(self, *unique_ids: str) -> "Recording":
        """The same invocation, limited to these nodes."""

        def keep(artifact: dict[str, Any]) -> None:
            results = _by_id(artifact)
            artifact["results"] = [results[unique_id] for unique_id in unique_ids]

        return self._with_run_results(keep)

    def _with_each(self, values: Mapping[str, str], key: str) -> "Recording":
        def change(artifact: dict[str, Any]) -> None:
            results = _by_id(artifact)
            for unique_id, value in values.items():
                results[unique_id][key] = value

        return self._with_run_results(change)

    def _with_run_results(self, change: Callable[[dict[str, Any]], None]) -> "Recording":
        """Raises LookupError if there is no run_results.json, or if it lacks the nodes."""
        if self.run_results is None:
            raise LookupError(f"the recording {self.name!r} has no run_results.json")
        artifact = msgspec.json.decode(self.run_results)
        change(artifact)
        return replace(self, run_results=msgspec.json.encode(artifact))


def _by_id(artifact: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {result["unique_id"]: result for result in artifact["results"]}


@lru_cache
def load(name: str) -> Recording:
    """A recording. Raises LookupError."""
    if name not in names():
        raise LookupError(f"no recording {name!r}, there are: {', '.join(names())}")
    folder = _FOLDER / name
    return Recording(
        name=name,
        run_results=_read(folder / "run_results.json"),
        manifest=gzip.decompress((folder / "manifest.json.gz").read_bytes()),
        sources=_read(folder / "sources.json"),
    )


@lru_cache
def names() -> tuple[str, ...]:
    """The names of all recordings."""
    return tuple(sorted(folder.name for folder in _FOLDER.iterdir() if folder.is_dir()))


def _read(file: Traversable) -> bytes | None:
    return file.read_bytes() if file.is_file() else None


class _Metadata(msgspec.Struct):
    invocation_id: str
    generated_at: datetime


class _Artifact(msgspec.Struct):
    metadata: _Metadata


def stamped(artifact: bytes, *, invocation_id: str, generated_at: datetime) -> bytes:
    """The artifact as the same command would write it at another time.

    All its times are shifted by as much as `generated_at`.
    """
    recorded = msgspec.json.decode(artifact, type=_Artifact).metadata
    later = generated_at - recorded.generated_at
    artifact = artifact.replace(recorded.invocation_id.encode(), invocation_id.encode())
    return _TIMES.sub(lambda match: match[1] + _moved(match[2], later) + match[3], artifact)


def _moved(written: bytes, later: timedelta) -> bytes:
    moved = (datetime.fromisoformat(written.decode()) + later).isoformat()
    return (moved.replace("+00:00", "Z") if written.endswith(b"Z") else moved).encode()
