"""A database behind a pooler in transaction mode is a setting that relay cannot start with."""

import subprocess
import sys
from pathlib import Path

import pytest
from pgbouncer import pgbouncer

import relay


@pytest.fixture(name="pooled")
def _pooled(required, mapping, database):
    """All settings, the database behind a pooler in transaction mode."""
    with pgbouncer(database.conninfo, pool_mode="transaction") as url:
        yield required | {"RELAY_DATABASE_URL": url, "RELAY_MAPPING": str(mapping)}


def test_check_says_so(command, pooled):
    result = command("check", **pooled)
    assert result.exit_code == 2
    assert "RELAY_DATABASE_URL: leads to a connection pooler in transaction mode" in result.stderr


@pytest.mark.parametrize("words", [["relay", "worker"], ["relay.web"]])
def test_neither_worker_nor_web_starts(pooled, words):
    web = ["-c", "python:relay.web.gunicorn_conf"] if words == ["relay.web"] else []
    process = subprocess.run(
        [sys.executable, "-m", *words, *web],
        env=pooled | {"PATH": "/usr/bin:/bin", "PORT": "18099"},
        cwd=Path(relay.__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 2
    assert "pool_mode = session" in process.stderr
    assert "Traceback" not in process.stderr
