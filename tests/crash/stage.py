"""The environment of crash tests: relay's real processes, a sandbox, and the log lines."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil
import psycopg
import requests
from mappings import mapping_text, sync_entry
from psycopg.conninfo import conninfo_to_dict

import relay
from relay.dbt.deliveries import sign
from relay.postgres.connections import single_connection
from relay.postgres.embedded import EmbeddedServer
from relay.postgres.server import ExternalServer
from relay.sandbox import story
from relay.sandbox.command import environment
from relay.store import Delivery, Store

CHECKOUT = Path(relay.__file__).parent.parent
UP = (sys.executable, "-m", "relay", "up")
WORKER = (sys.executable, "-m", "relay", "worker")
WEB = (sys.executable, "-m", "gunicorn", "-c", str(CHECKOUT / "config" / "gunicorn.conf.py"))
INHERITED = ("PATH", "HOME", "PYTHONPATH")  # variables of the test's own process
PATIENCE = 30.0  # seconds for what usually takes a few
ONE_SYNC = mapping_text(sync_entry(5123, "customers"))


class Stage:
    """A sandbox, a new database, a mapping, and the processes that a test starts."""

    def __init__(self, folder, sandbox):
        self.sandbox, self.census, self.dbt_cloud = sandbox, sandbox.census, sandbox.dbt_cloud
        self.data_dir = folder / "data"
        self.server = EmbeddedServer(self.data_dir)
        self.processes = []
        self._folder = folder
        self._mapping = folder / "syncs.yml"
        self._environment = {
            **{
                name: os.environ[name]
                for name in ("PATH", "HOME", "PYTHONPATH")
                if name in os.environ
            },
            **environment(sandbox.dbt_cloud.url, sandbox.census.url),
            **sandbox.channels.environment,
            "RELAY_MESSAGE_DELAY": "1s",
            "RELAY_DATA_DIR": str(self.data_dir),
            "RELAY_MAPPING": str(self._mapping),
            "RELAY_HTTP_TIMEOUT": "2s",
            "RELAY_FOLLOW_INTERVAL": "1s",
            "RELAY_LOG_FORMAT": "json",
        }
        self.map(story.MAPPING)

    # The processes

    def worker(self, **settings):
        """Start `relay worker`, and wait until it is ready."""
        worker = self.start("worker", *WORKER, **settings)
        self.wait_until(lambda: worker.logged("worker.started"), "a worker")
        return worker

    def web(self, **settings):
        """Start gunicorn, and wait until it responds."""
        web = self.start("web", *WEB, **settings)
        self.wait_until(lambda: web.answers("/healthz"), "web")
        return web

    def up(self, **settings):
        """Start `relay up`, and wait until it is ready."""
        up = self.start("up", *UP, **settings)
        self.wait_until(lambda: up.answers("/readyz"), "`relay up` to be ready")
        return up

    def command(self, *words):
        """Start a command of relay's."""
        return self.start(words[0], sys.executable, "-m", "relay", *words)

    def start(self, name, *command, **settings):
        """Start a process with these settings in addition to the stage's."""
        process = Process(
            self._folder / f"{len(self.processes)}-{name}",
            command,
            {**self._environment, "PORT": str(_free_port()), **settings},
        )
        self.processes.append(process)
        return process

    def close(self):
        """Stop everything."""
        for process in self.processes:
            process.kill()
        for orphan in _started_for(self.data_dir):
            orphan.kill()
        end_server(self.data_dir)

    # The vendors and the database

    def map(self, text):
        """Replace the mapping file."""
        self._mapping.write_text(text)

    def use_external_database(self, url=None):
        """Use the stage's server as an external one, which relay does not start or stop.

        Or another one, of this URL.
        """
        if url is not None:
            self.server = ExternalServer(url)
        host = conninfo_to_dict(self.server.conninfo)["host"]
        url = url or f"postgresql://postgres@/postgres?host={host}"
        self._environment["RELAY_DATABASE_URL"] = url

    def hand_over(self, variable):
        """A setting of the stage, which it then no longer sets itself."""
        return self._environment.pop(variable)

    def record(self, dbt_run_id=story.FIRST_DBT_RUN_ID):
        """Add a successful nightly run to dbt Cloud, and its recorded webhook."""
        self.dbt_cloud.add_run(story.nightly_run(dbt_run_id))
        delivery = Delivery(
            delivery_id=uuid.uuid4(),
            body=b"{}",
            event_id=f"wev_{uuid.uuid4().hex}",
            dbt_account_id=story.DBT_ACCOUNT_ID,
            dbt_run_id=dbt_run_id,
        )
        with single_connection(self.server) as connections:
            Store(connections).deliveries.record([delivery])

    def event(self, dbt_run_id=story.FIRST_DBT_RUN_ID):
        """Add a successful nightly run to dbt Cloud; return its webhook body."""
        self.dbt_cloud.add_run(story.nightly_run(dbt_run_id))
        return self.dbt_cloud.completed_event(dbt_run_id)

    def sql(self, query, *arguments):
        """The rows of a query."""
        with psycopg.connect(self.server.conninfo, autocommit=True) as connection:
            cursor = connection.execute(query, arguments or None)
            return cursor.fetchall() if cursor.description else None

    # The log lines

    def logged(self, event, **fields):
        """The lines of all processes with this event and these fields, by process."""
        return [line for each in self.processes for line in each.logged(event, **fields)]

    def wait_until(self, condition, what, *, seconds=PATIENCE):
        """Poll until the condition is true; return its result."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > deadline:
                output = "\n".join(process.output for process in self.processes)
                raise AssertionError(f"waited {seconds} s for {what}; what was logged:\n{output}")
            time.sleep(0.02)
        return found

    def wait_for(self, event, *, seconds=PATIENCE, **fields):
        """The first line with this event and these fields."""
        return self.wait_until(
            lambda: self.logged(event, **fields), f"{event} {fields}", seconds=seconds
        )[0]


class Process:
    """A process in a new session, with its output in files."""

    def __init__(self, path, command, settings):
        self.name, self.port = path.name, settings["PORT"]
        self.url = f"http://127.0.0.1:{self.port}"
        self._out, self._err = path.with_suffix(".out"), path.with_suffix(".err")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._popen = subprocess.Popen(
                command,
                cwd=CHECKOUT,
                env=settings,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self.pid = self._popen.pid

    @property
    def lines(self):
        """Its log lines so far; the last one may be incomplete."""
        complete = self._out.read_bytes().rpartition(b"\n")[0]
        return [json.loads(line) for line in complete.splitlines()]

    @property
    def stdout(self):
        return self._out.read_text()

    @property
    def stderr(self):
        return self._err.read_text()

    @property
    def output(self):
        return f"--- {self._out.stem}\n{self.stdout}{self.stderr}"

    def logged(self, event, **fields):
        """Its lines with this event and these fields."""
        wanted = {"event": event, **fields}.items()
        return [line for line in self.lines if wanted <= _hashable(line).items()]

    def kill(self):
        """`kill -9` of it and of every process it has started."""
        with contextlib.suppress(psutil.NoSuchProcess):
            kill_tree(psutil.Process(self.pid))
        self._popen.wait(10)

    def kill_alone(self):
        """`kill -9` of only this process."""
        self._popen.kill()
        self._popen.wait(10)

    def terminate(self):
        self._popen.terminate()

    def wait(self, seconds=PATIENCE):
        """Its exit status."""
        return self._popen.wait(seconds)

    def has_ended(self):
        return self._popen.poll() is not None

    def family(self):
        """It and its descendants, with their command lines."""
        process = psutil.Process(self.pid)
        return {each: " ".join(each.cmdline()) for each in [process, *process.children(True)]}

    # If it is, or runs, web

    def answers(self, path):
        try:
            return requests.get(self.url + path, timeout=2).ok
        except requests.RequestException:
            return False

    def post(self, body, *, signature=None):
        """Deliver a body, by default with its own signature; return the response."""
        signature = signature or sign(body, story.WEBHOOK_SECRET.encode())
        headers = {"Authorization": signature}
        return requests.post(f"{self.url}/webhooks/dbt", data=body, headers=headers, timeout=20)


def postmaster(data_dir):
    """The embedded server's first process; None if none runs."""
    try:
        pid = int((data_dir / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
        process = psutil.Process(pid)
        is_it = str(data_dir / "postgres") in process.cmdline()
    except (OSError, ValueError, psutil.Error):
        return None
    return process if is_it and lives(process) else None


def kill_server(data_dir):
    """`kill -9` of the server's first process; its children then end by themselves."""
    server = postmaster(data_dir)
    server.kill()
    _wait_for_the_end_of(server)


def suspend_server(data_dir):
    """Suspend the server and its children."""
    for each in _with_children(postmaster(data_dir)):
        each.suspend()


def resume_server(data_dir):
    for each in _with_children(postmaster(data_dir)):
        each.resume()


def end_server(data_dir):
    """End the server immediately, in any state."""
    server = postmaster(data_dir)
    if server is None:
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        resume_server(data_dir)
        server.send_signal(signal.SIGQUIT)
    if not _wait_for_the_end_of(server):
        kill_tree(server)


def kill_tree(process):
    """`kill -9` of a process and all below it; the first one first, so that it starts no more."""
    for each in _with_children(process):
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()


def _started_for(data_dir):
    """relay's running processes on this data folder."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            is_relays = process.exe() == os.path.realpath(sys.executable)
            if is_relays and process.environ().get("RELAY_DATA_DIR") == str(data_dir):
                yield process


def lives(process):
    """Whether a process runs; a zombie does not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _wait_for_the_end_of(process, seconds=5):
    deadline = time.monotonic() + seconds
    while lives(process) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not lives(process)


def _with_children(process):
    return [process, *process.children(recursive=True)]


def _hashable(line):
    return {key: value for key, value in line.items() if not isinstance(value, list | dict)}


def _free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
