"""One measured task in a separate process: `python -m harness.probes NAME WHERE`.

It prints its CPU seconds, user and system, from the first byte read to the result; what it
imports comes before that.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Work = Callable[[], Any]


def main() -> None:
    """Run it, and exit without freeing the result."""
    work = PROBES[sys.argv[1]](sys.argv[2])
    began = time.process_time()
    result = work()
    print(time.process_time() - began, flush=True)
    assert result
    os._exit(0)


def relay_manifest(path: str) -> Work:
    """Decode, as relay does, a manifest.json on disk."""
    dbt_cloud = _dbt_cloud(path)
    return lambda: dbt_cloud.get_manifest(1, step=1)


def relay_run_results(path: str) -> Work:
    """Decode, as relay does, a run_results.json on disk."""
    dbt_cloud = _dbt_cloud(path)
    return lambda: dbt_cloud.get_run_results(1, step=1)


def json_load(path: str) -> Work:
    """Decode a file, as the standard library does."""
    return lambda: json.load(Path(path).open(encoding="utf-8"))


def relay_fetch(url: str) -> Work:
    """Download a manifest.json to disk, as relay does, without decoding it."""
    transport = _transport(url)

    def work() -> int:
        path = "/api/v2/accounts/1/runs/1/artifacts/manifest.json"
        with transport.download(path, {"step": "1"}) as download:
            return len(download.content)

    return work


def relay_download(url: str) -> Work:
    """Download and decode a manifest.json, as relay does."""
    from relay.vendors.dbt_cloud import DbtCloud  # noqa: PLC0415 - the other probes go without

    dbt_cloud = DbtCloud(_transport(url), dbt_account_id=1)
    return lambda: dbt_cloud.get_manifest(1, step=1)


def _transport(url: str) -> Any:
    from relay.secret import Secret  # noqa: PLC0415
    from relay.vendors.transport import Transport  # noqa: PLC0415

    return Transport(
        vendor="dbt Cloud",
        setting="DBT_CLOUD_URL",
        base_url=url,
        token=Secret("dbtc_bench"),
        read_seconds=60,
        connections=1,
    )


def requests_json(url: str) -> Work:
    """The simplest implementation."""
    import requests  # noqa: PLC0415

    artifact = f"{url}/api/v2/accounts/1/runs/1/artifacts/manifest.json?step=1"
    return lambda: requests.get(artifact, timeout=60).json()


def relay_decides_first(manifest: str) -> Work:
    """Decide on a lineage that was just read: its index has to be built."""
    question = _question(manifest)
    return lambda: question.decide(question.findings())


def relay_decides(manifest: str) -> Work:
    """Decide on a lineage that is in memory, as that of the last run is."""
    question = _question(manifest)
    question.decide(question.findings())
    return lambda: question.decide(question.findings())


def relay_decides_under_lock(manifest: str) -> Work:
    """The part that blocks other decisions of the account."""
    question = _question(manifest)
    findings = question.findings()
    return lambda: question.decide(findings)


def loop_decides(manifest: str) -> Work:
    """Loop over the rebuilt models for every selector. The result must be relay's."""
    question = _question(manifest)
    plan = question.decide(question.findings())

    def work() -> object:
        found = question.loop()
        assert found == {each.sync.sync_id: each.models for each in plan.triggers}
        return found

    return work


def _question(manifest: str) -> Any:
    from harness.deciding import Question  # noqa: PLC0415 - the other probes go without

    return Question.about(Path(manifest))


PROBES: Mapping[str, Callable[[str], Work]] = {
    each.__name__: each
    for each in (
        *(relay_manifest, relay_run_results, json_load),
        *(relay_fetch, relay_download, requests_json),
        *(relay_decides, relay_decides_first, relay_decides_under_lock, loop_decides),
    )
}


def _dbt_cloud(path: str) -> Any:
    from relay.vendors.dbt_cloud import DbtCloud  # noqa: PLC0415

    return DbtCloud(_OnDisk(path), dbt_account_id=1)  # type: ignore[arg-type]


class _OnDisk:
    """Replaces Transport: the file is already downloaded."""

    def __init__(self, path: str) -> None:
        self._path = path

    @contextmanager
    def download(self, path: str, params: object, *, operation: object) -> Iterator[Any]:
        import mmap  # noqa: PLC0415

        from relay.vendors.transport import Download  # noqa: PLC0415

        with Path(self._path).open("rb") as file:
            pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        with pages, memoryview(pages) as view:
            yield Download(200, view)


if __name__ == "__main__":
    main()
