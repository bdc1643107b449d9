"""The primary of two servers dies under load, and its standby takes over."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from clusters import cluster, standby_of

from crash.stage import WEB
from crash.storm import Count, Deliverer, Kept, Night, all_about, clear_faults, wait_for_quiet

DBT_RUNS = 30
SEED = 1
QUIET_AFTER = 60.0  # seconds

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(name="servers")
def _servers():
    """A primary with relay's schema, and a standby without which nothing is acknowledged."""
    with tempfile.TemporaryDirectory(prefix="relay-crash-") as name:
        Path(name).chmod(0o711)
        with (
            cluster(Path(name) / "primary") as primary,
            standby_of(primary, Path(name) / "standby", is_synchronous=True) as standby,
        ):
            yield primary, standby


def test_a_failover_to_a_synchronous_standby_loses_and_doubles_nothing(empty_stage, servers):
    stage, (primary, standby) = empty_stage, servers
    hosts = f"host={primary.folder},{standby.folder}"
    url = f"postgresql://postgres@/postgres?{hosts}&target_session_attrs=read-write"
    stage.use_external_database(url)
    night = Night(DBT_RUNS)
    night.set_up(stage, SEED)
    clear_faults(stage)
    stage.worker()
    web = Kept(stage, "web", WEB, stage.web())
    with Deliverer(stage, night, [web]) as deliverer:
        stage.wait_for("sync.triggered")
        primary.kill()
        stage.wait_until(lambda: set(deliverer.answers) - {202}, "a delivery to be refused")
        assert not web.process.answers("/readyz")
        standby.promote()
        stage.wait_until(lambda: deliverer.is_done, "the deliveries")
        deliverer.raise_what_failed()
    wait_for_quiet(stage, QUIET_AFTER)
    count = Count.after(stage, night, deliverer, SimpleNamespace(last=datetime.now(UTC)))
    assert count.wrong == set(), all_about(stage, count.wrong)
    assert web.process.answers("/readyz")
