"""The image's HEALTHCHECK looks at what the container runs, and at nothing else."""

import json
import os
import runpy
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from relay import up

ROOT = Path(__file__).parents[1]
HEALTHCHECK = ROOT / "deploy" / "image" / "healthcheck.py"
CHECK = runpy.run_path(str(HEALTHCHECK))
PYTHON = "/opt/relay/bin/python"
RELAY = "/opt/relay/bin/relay"


@pytest.mark.parametrize(
    ("command", "processes"),
    [
        ((PYTHON, RELAY, "up"), ("web", "worker")),
        ((*up.SUPERVISOR, "4"), ("web", "worker")),
        ((PYTHON, RELAY, "worker"), ("worker",)),
        ((PYTHON, "/opt/relay/bin/gunicorn", "-c", "config/gunicorn.conf.py"), ("web",)),
        ((PYTHON, "-P", "-m", "relay.web", "-c", "python:relay.web.gunicorn_conf"), ("web",)),
        ((PYTHON, "-m", "relay", "worker"), ("worker",)),
        (("/sbin/docker-init", "--", "relay", "up"), ("web", "worker")),
        (("/usr/bin/tini", "-g", "--", "relay", "worker"), ("worker",)),
        (("sh", "-c", "relay migrate && exec relay worker"), ("worker",)),
        (("sh", "-c", "relay migrate && gunicorn -c config/gunicorn.conf.py"), ("web",)),
        ((PYTHON, RELAY, "migrate"), ()),
        ((PYTHON, RELAY, "demo", "--open"), ()),
        ((PYTHON, RELAY, "status"), ()),
        (("bash",), ()),
        (("sleep", "infinity"), ()),
        (("",), ()),
    ],
    ids=" ".join,
)
def test_what_process_1_runs_is_read_from_its_command(command, processes):
    assert CHECK["processes_in"]([*command, ""]) == processes


class TestAWorker:
    @pytest.fixture(name="file")
    def _file(self, tmp_path, monkeypatch):
        file = tmp_path / "relay-worker"
        monkeypatch.setenv("RELAY_WORKER_ALIVE_FILE", str(file))
        return file

    def test_is_healthy_while_its_file_is_young(self, file):
        file.touch()
        assert CHECK["worker_problem"]() is None

    def test_is_unhealthy_once_its_file_is_old(self, file):
        file.touch()
        os.utime(file, (time.time() - 75, time.time() - 75))
        assert CHECK["worker_problem"]() == "worker: no sign of life for 75 seconds"

    def test_is_unhealthy_before_it_has_a_file(self, file):
        assert CHECK["worker_problem"]() == f"worker: {file}: No such file or directory"

    def test_that_writes_no_file_is_not_judged(self, monkeypatch):
        monkeypatch.setenv("RELAY_WORKER_ALIVE_FILE", "")
        assert CHECK["worker_problem"]() is None


class TestWeb:
    @pytest.fixture(name="answering")
    def _answering(self, monkeypatch):
        """Listen on PORT, and give one connection this answer."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            monkeypatch.setenv("PORT", str(server.getsockname()[1]))

            def answer(content):
                threading.Thread(target=serve, args=(server, content), daemon=True).start()

            yield answer

    def serve_readiness(self, answering, **checks):
        answering(b"HTTP/1.1 503 Service Unavailable\r\n\r\n" + json.dumps(checks).encode())

    def test_is_healthy_if_its_database_is_whatever_else_is_wrong(self, answering):
        self.serve_readiness(answering, checks={"database": "ok", "mapping": "2 to fix"})
        assert CHECK["web_problem"]() is None

    def test_is_unhealthy_without_its_database(self, answering):
        self.serve_readiness(answering, checks={"database": "no answer", "mapping": "ok"})
        assert CHECK["web_problem"]() == "web: database: no answer"

    @pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 500 Oops\r\n\r\noops", b"\r\n\r\n[]"])
    def test_is_unhealthy_if_it_answers_something_else(self, answering, answer):
        answering(answer)
        assert CHECK["web_problem"]().startswith("web: ")

    def test_is_unhealthy_if_nobody_listens(self, monkeypatch):
        with socket.create_server(("127.0.0.1", 0)) as server:
            monkeypatch.setenv("PORT", str(server.getsockname()[1]))
        assert "refused" in CHECK["web_problem"]()


def serve(server, content):
    connection, _ = server.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(content)


def test_it_loads_little():
    """It starts every ten seconds: no site packages, none of relay, and nothing slow."""
    script = f"import runpy, sys; runpy.run_path({str(HEALTHCHECK)!r}); print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-c", script]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not {"relay", "http.client", "email", "ssl", "pathlib", "asyncio"} & set(loaded)
