"""The embedded PostgreSQL from outside: processes that share it, running servers."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg

# Joins the server in a folder, and leaves it when its stdin is closed.
MEMBER = """
import sys
from pathlib import Path
from relay.postgres.embedded import EmbeddedServer

server = EmbeddedServer(Path(sys.argv[1]))
server.join()
print("joined", flush=True)
sys.stdin.read()
server.leave()
"""


class Member:
    """A process that uses the server."""

    def __init__(self, data_dir, **environment):
        self._popen = subprocess.Popen(
            [sys.executable, "-c", MEMBER, str(data_dir)],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self.started_the_server = False

    def wait_until_joined(self):
        for line in self._popen.stdout:
            self.started_the_server |= b"database.started" in line
            if line == b"joined\n":
                return self
        raise AssertionError(f"a member ended with {self._popen.wait()} before it joined")

    def leave(self):
        self._popen.communicate()
        assert self._popen.returncode == 0

    def kill_alone(self):
        self._popen.kill()
        self._popen.wait()

    def kill_with_its_children(self):
        os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()

    def close(self):
        if self._popen.poll() is None:
            self.kill_with_its_children()
        self._popen.stdin.close()
        self._popen.stdout.close()


def servers_in(data_dir):
    """The first processes of all servers that run in a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            program, *arguments = process.cmdline()
        except (psutil.Error, ValueError):
            continue
        if Path(program).name == "postgres" and str(data_dir / "postgres") in arguments:
            found.append(process)
    return found


def the_server_in(data_dir):
    (server,) = servers_in(data_dir)
    return server


def ask(server, query):
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else None


def until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
