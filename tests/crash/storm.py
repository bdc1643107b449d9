"""The parts of the storm test: a busy night, deliveries, random kills, and the final count."""

import contextlib
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Event, Thread

import psutil
import psycopg
import requests
from mappings import mapping_text, sync_entry

from crash.stage import kill_tree, postmaster
from relay.errors import DatabaseUnavailable
from relay.postgres.connections import single_connection
from relay.sandbox.census_runs import SandboxSync
from relay.sandbox.dbt_runs import SandboxRun, invoke
from relay.sandbox.recordings import load
from relay.sandbox.wire import Delay
from relay.store import HoldScope, Store

FIRST_RUN, FIRST_JOB, FIRST_SYNC, FIRST_SHARED_SYNC = 1001, 501, 2001, 9001
SHARED_MODELS = 10
DELIVERIES_A_SECOND = 5
ANSWERS_AFTER = 0.4  # seconds
FAILING = 0.1  # of the requests to a vendor
SLOW_TO_FAILING = 5
SHARE = FAILING * (1 + SLOW_TO_FAILING)
SENT_AGAIN_AFTER = 0.5  # seconds; dbt Cloud itself waits longer
LIVES_FROM, LIVES_TO = 0.3, 1.5  # seconds from one kill to the next
KILLS = 25  # at least
LULLS = 0.3  # of the times between two kills
LONGEST_LULL = 10.0  # seconds
HELD_FOR = 1.0  # seconds
RECORDED = "model.jaffle_crm.customers", "model.jaffle_crm.crm_orders"


class Night:
    """dbt runs of different jobs, each with its own model that two syncs read.

    Each also builds one of a few shared models, whose sync run may be for several dbt runs.
    """

    def __init__(self, dbt_runs):
        self.numbers = range(dbt_runs)

    def set_up(self, stage, seed):
        """Add it to both vendors and the mapping."""
        for sync_id in sorted({sync_id for sync_id, _ in self.pairs}):
            stage.census.add_sync(_sync(sync_id))
        stage.map(self._mapping())
        for number in self.numbers:
            stage.dbt_cloud.add_run(_dbt_run(number))
        inject_faults(stage, seed)

    @property
    def pairs(self):
        """Every sync with every dbt run that it has to be triggered for."""
        return {
            (sync_id, FIRST_RUN + number)
            for number in self.numbers
            for sync_id in (*_own_syncs(number), FIRST_SHARED_SYNC + number % SHARED_MODELS)
        }

    def _mapping(self):
        return mapping_text(
            *self.entries(),
            defaults={"fresh_within": "5s", "notify": ["webhook"]},
            notify={
                "webhook": {
                    "kind": "webhook",
                    "url_env": "RELAY_NOTIFY_WEBHOOK",
                    "key_env": "RELAY_NOTIFY_WEBHOOK_KEY",
                }
            },
        )

    def entries(self, **of_shared):
        """The mapping's entries; `of_shared` are more keys of the shared syncs."""
        for number in self.numbers:
            for sync_id in _own_syncs(number):
                yield sync_entry(sync_id, f"own_{number}", jobs=[FIRST_JOB + number])
        for shared in range(SHARED_MODELS):
            jobs = [FIRST_JOB + number for number in self.numbers[shared::SHARED_MODELS]]
            sync_id = FIRST_SHARED_SYNC + shared
            yield sync_entry(sync_id, f"shared_{shared}", jobs=jobs, **of_shared)


def inject_faults(stage, seed):
    """Both vendors fail at random, and Census is slow, so that kills come before its responses."""
    passing, slow = stage.census.transient_faults, [Delay(ANSWERS_AFTER)] * SLOW_TO_FAILING
    stage.census.fail_at_random(SHARE, [*passing, *slow * len(passing)], seed=seed)
    stage.dbt_cloud.fail_at_random(FAILING, stage.dbt_cloud.transient_faults, seed=seed)


def clear_faults(stage):
    """Remove all faults, so that no backoff prolongs the test."""
    stage.census.clear_faults()
    stage.dbt_cloud.clear_faults()


def _own_syncs(number):
    return FIRST_SYNC + 2 * number, FIRST_SYNC + 2 * number + 1


def _sync(sync_id):
    return SandboxSync(sync_id=sync_id, label=None, source="a model", destination_object="Contact")


def _dbt_run(number):
    recording = load("build").only(*RECORDED)
    run_results = recording.run_results
    names = f"own_{number}", f"shared_{number % SHARED_MODELS}"
    for recorded, name in zip(RECORDED, names, strict=True):
        run_results = run_results.replace(recorded.encode(), f"model.jaffle_crm.{name}".encode())
    build = invoke("dbt build", replace(recording, run_results=run_results))
    return SandboxRun.of(build, dbt_run_id=FIRST_RUN + number, dbt_job_id=FIRST_JOB + number)


class Deliverer:
    """dbt Cloud's webhooks: each event is sent again until it is acknowledged."""

    def __init__(self, stage, night, webs):
        self._bodies = {
            FIRST_RUN + number: stage.dbt_cloud.completed_event(FIRST_RUN + number)
            for number in night.numbers
        }
        self._webs = webs
        self._stopping = Event()
        self.acknowledged = {}  # when, by dbt_run_id
        self.answers = Counter()

    def __enter__(self):
        self._threads = ThreadPoolExecutor(2 * DELIVERIES_A_SECOND)
        began = time.monotonic()
        self._all = [
            self._threads.submit(self._deliver, dbt_run_id, began + at / DELIVERIES_A_SECOND)
            for at, dbt_run_id in enumerate(self._bodies)
        ]
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._threads.shutdown(cancel_futures=True)

    @property
    def is_done(self):
        return all(each.done() for each in self._all)

    def raise_what_failed(self):
        for each in self._all:
            each.result()

    @property
    def summary(self):
        return f"{len(self._all)} deliveries, answered {dict(self.answers)}"

    def _deliver(self, dbt_run_id, at):
        self._stopping.wait(max(at - time.monotonic(), 0))
        attempt = dbt_run_id
        while not self._stopping.is_set():
            # Round robin, like a load balancer that does not know yet which web was killed.
            web = self._webs[attempt % len(self._webs)]
            if self._is_acknowledged(web.process, self._bodies[dbt_run_id]):
                self.acknowledged[dbt_run_id] = datetime.now(UTC)
                return
            attempt += 1
            self._stopping.wait(SENT_AGAIN_AFTER)

    def _is_acknowledged(self, process, body):
        try:
            status = process.post(body).status_code
        except requests.RequestException as exc:
            status = type(exc).__name__
        self.answers[status] += 1
        return status == requests.codes.accepted


@dataclass
class Kept:
    """A process that an orchestrator restarts when it dies, on the same port."""

    stage: object
    name: str
    command: tuple
    process: object = None

    def keep(self):
        if self.process is None or self.process.has_ended():
            port = {} if self.process is None else {"PORT": self.process.port}
            self.process = self.stage.start(self.name, *self.command, **port)


class Holder:
    """Holds and releases at random, all syncs or one of the shared ones, as the commands do."""

    def __init__(self, stage, random):
        self._stage, self._random = stage, random
        self._stopping = Event()
        self._thread = Thread(target=self._go_on)
        self.holds = Counter()
        self._of_all = []  # when each hold of all was there for sure

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._thread.join()
        for scope in _SCOPES:
            while not self._try(lambda scope=scope: self._release(scope)):
                time.sleep(0.2)

    @property
    def begun_while_held(self):
        """The attempts that began during a hold of all: none."""
        begun = self._stage.sql("SELECT attempt_id, begun_at FROM relay.sync_runs")
        return [
            attempt_id
            for attempt_id, begun_at in begun
            for opened, closed in self._of_all
            if opened < begun_at < closed
        ]

    @property
    def summary(self):
        return f"held and released: {dict(self.holds)}"

    def _go_on(self):
        while not self._stopping.wait(self._random.uniform(0.2, HELD_FOR)):
            scope = self._random.choice(_SCOPES)
            act = self._random.choice([self._hold, self._release])
            self._try(lambda scope=scope, act=act: act(scope))

    def _hold(self, scope):
        seconds = self._random.choice([HELD_FOR, 3 * HELD_FOR])
        now = datetime.now(UTC)
        until = now + timedelta(seconds=seconds)
        with single_connection(self._stage.server) as connections:
            holds = Store(connections).holds
            holds.hold(scope, until=until, why="storm", by="storm", now=now)
        self.holds["holds of all" if scope.sync_id is None else "holds"] += 1
        if scope.sync_id is None:
            self._end_of_all(now)
            self._of_all.append((datetime.now(UTC), until))

    def _release(self, scope):
        now = datetime.now(UTC)
        if scope.sync_id is None:
            self._end_of_all(now)
        with single_connection(self._stage.server) as connections:
            released = Store(connections).holds.release(scope, by="storm", now=now)
        self.holds["releases"] += released is not None

    def _end_of_all(self, now):
        """It may be over from now on."""
        if self._of_all:
            opened, closed = self._of_all[-1]
            self._of_all[-1] = (opened, min(closed, now))

    def _try(self, act):
        try:
            act()
        except (DatabaseUnavailable, OSError):
            return False
        return True


_SCOPES = [HoldScope(None, None), HoldScope("default", FIRST_SHARED_SYNC)]


class Orchestrator:
    """Restarts processes that have died."""

    def __init__(self, *kept, server=None):
        self._kept, self._server = kept, server
        self._stopping = Event()
        self._thread = Thread(target=self._keep_all)

    def __enter__(self):
        for each in self._kept:
            each.keep()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._thread.join()

    def _keep_all(self):
        while not self._stopping.wait(0.2):
            if self._server is not None:
                with contextlib.suppress(DatabaseUnavailable):
                    self._server.ensure_running()
            for each in self._kept:
                each.keep()


class Killer:
    """Random `kill -9`, in rounds, so that every target is killed."""

    def __init__(self, random, victims):
        self._random, self._victims = random, victims
        self.killed = Counter()
        self.last = None

    def kill_until(self, is_over, webs):
        left = []
        while not is_over() or self.killed.total() < KILLS:
            left = left or self._random.sample(sorted(self._victims), len(self._victims))
            time.sleep(self._random.uniform(LIVES_FROM, LIVES_TO))
            if self._random.random() < LULLS:
                _let_work(webs)
            name = left.pop()
            if self._victims[name]():
                self.killed[name] += 1
                self.last = datetime.now(UTC)

    @property
    def summary(self):
        return f"{self.killed.total()} kills: {dict(self.killed)}"


def _let_work(webs):
    """Wait without kills, so that there is work to lose on a slow machine too."""
    deadline = time.monotonic() + LONGEST_LULL
    while time.monotonic() < deadline and not all(web.process.answers("/readyz") for web in webs):
        time.sleep(0.1)
    time.sleep(LIVES_TO)


def kill_kept(kept):
    """Kill it and its descendants, as when its machine fails."""

    def kill():
        process = kept.process
        is_there = not process.has_ended()
        process.kill()
        return is_there

    return kill


def kill_alone(kept):
    """Kill only its first process."""

    def kill():
        process = kept.process
        is_there = not process.has_ended()
        process.kill_alone()
        return is_there

    return kill


def kill_child(kept, word):
    """Kill one child process and its descendants."""

    def kill():
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(kept.process.pid).children():
                if word in " ".join(child.cmdline()):
                    kill_tree(child)
                    return True
        return False

    return kill


def kill_database(stage):
    """Kill the server's first process; the others then end by themselves."""

    def kill():
        with contextlib.suppress(psutil.NoSuchProcess):
            if server := postmaster(stage.data_dir):
                server.kill()
                return True
        return False

    return kill


@dataclass(frozen=True)
class Count:
    """The result for each pair, compared with the sync runs that Census ran."""

    lost: set  # pairs without a completed sync run
    doubled: set  # pairs served by two sync runs
    unknown: set  # sync runs that relay does not know
    pairs: int
    sync_runs: int
    in_the_storm: int  # pairs triggered before the last kill
    recovered: int  # sync runs found after a lost response
    recovery: float  # seconds from the last kill to the last trigger
    longest_wait: float  # seconds from a 202 to a trigger of its run

    @classmethod
    def after(cls, stage, night, deliverer, killer):
        serving, triggered_at = defaultdict(set), {}
        for *pair, sync_run_id, at in stage.sql(_COMPLETED):
            serving[tuple(pair)].add(sync_run_id)
            triggered_at[tuple(pair)] = at
        completed = set(serving)
        for line in stage.logged("sync.triggered"):
            for dbt_run_id in line["dbt_run_ids"]:
                serving[line["sync_id"], dbt_run_id].add(line["sync_run_id"])
        known = {sync_run_id for (sync_run_id,) in stage.sql(_KNOWN)}
        there = stage.census.sync_runs
        waits = [
            (at - deliverer.acknowledged[dbt_run_id]).total_seconds()
            for (_, dbt_run_id), at in triggered_at.items()
        ]
        return cls(
            lost=night.pairs - completed,
            doubled={pair for pair, sync_run_ids in serving.items() if len(sync_run_ids) > 1},
            unknown={run for run in there if run.sync_run_id not in known},
            pairs=len(night.pairs),
            sync_runs=len(there),
            in_the_storm=sum(at < killer.last for at in triggered_at.values()),
            recovered=len(stage.logged("sync.trigger_recovered")),
            recovery=(
                max(triggered_at.values(), default=killer.last) - killer.last
            ).total_seconds(),
            longest_wait=max(waits, default=0),
        )

    @property
    def wrong(self):
        """The syncs with a wrong result."""
        by_pair = {sync_id for sync_id, _ in self.lost | self.doubled}
        return by_pair | {run.sync_id for run in self.unknown}

    @property
    def summary(self):
        return (
            f"{self.pairs} triggers, {self.in_the_storm} of them sent before the last kill,"
            f" by {self.sync_runs} sync runs\n"
            f"{self.recovered} answers of Census's were lost, and their sync runs found\n"
            f"lost: {len(self.lost)}, doubled: {len(self.doubled | self.unknown)}\n"
            f"from the last kill to the last trigger: {self.recovery:.0f} s\n"
            f"from a 202 to a trigger, at most: {self.longest_wait:.0f} s"
        )


_COMPLETED = """
SELECT sync_id, dbt_run_id, sync_run_id, triggered_at
FROM relay.triggers JOIN relay.sync_runs USING (attempt_id, sync_id)
WHERE outcome = 'completed'
"""
_KNOWN = "SELECT sync_run_id FROM relay.sync_runs WHERE sync_run_id IS NOT NULL"
_STILL_TO_DO = """
SELECT (SELECT count(*) FROM relay.dbt_runs WHERE planned_at IS NULL),
       (SELECT count(*) FROM relay.triggers WHERE attempt_id IS NULL),
       (SELECT count(*) FROM relay.sync_runs WHERE ended_at IS NULL),
       (SELECT count(*) FROM relay.alerts WHERE event = 'stale' AND settled_at IS NULL),
       (SELECT count(*) FROM relay.messages WHERE sent_at IS NULL AND failed_at IS NULL)
"""


def wait_for_quiet(stage, seconds):
    """Wait, at most for `seconds`, until nothing is left to do or to be told."""
    deadline = time.monotonic() + seconds
    while not is_quiet(stage) and time.monotonic() < deadline:
        time.sleep(0.5)


def is_quiet(stage):
    """Whether nothing is left to do or to be told."""
    try:
        return not any(stage.sql(_STILL_TO_DO)[0])
    except psycopg.OperationalError:
        return False


def all_about(stage, sync_ids):
    """What the database, Census and the logs have about these syncs, for debugging."""
    undecided = stage.sql("SELECT row_to_json(r) FROM relay.dbt_runs r WHERE planned_at IS NULL")
    jobs = stage.sql("SELECT row_to_json(j) FROM procrastinate_jobs j")
    output = [*map(str, undecided), *map(str, jobs)]
    for sync_id in sorted(sync_ids):
        output += [f"--- sync {sync_id}", *map(str, stage.census.sync_runs_of(sync_id))]
        for table in ("triggers", "sync_runs"):
            query = f"SELECT row_to_json(t) FROM relay.{table} t WHERE sync_id = %s"
            output += [f"{table}: {row}" for (row,) in stage.sql(query, sync_id)]
        for process in stage.processes:
            lines = (line for line in process.lines if line.get("sync_id") == sync_id)
            output += [f"{process.name}: {line}" for line in lines]
    return "\n".join(output)
