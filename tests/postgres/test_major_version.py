"""A data folder of another PostgreSQL is refused, with the commands that carry its data over."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from own_server import ask

import relay
from relay.errors import DatabaseUnavailable
from relay.postgres.embedded import EmbeddedServer
from relay.postgres.migrate import find_schema, migrate
from relay.postgres.owner import make_private, server_user
from relay.postgres.programs import bin_path, major_version
from relay.postgres.server import ExternalServer

OURS = int(major_version())
OLDER = sorted(
    path.parent
    for path in Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")
    if int(path.parent.parent.name) < OURS
)
KEPT = "CREATE TABLE relay.kept AS SELECT 42 AS answer"


def refused(data_dir):
    with pytest.raises(DatabaseUnavailable) as failed:
        EmbeddedServer(data_dir).join()
    return str(failed.value)


def pretend(data_dir, version):
    (data_dir / "postgres" / "PG_VERSION").write_text(f"{version}\n")


@pytest.fixture(name="with_data")
def _with_data(data_dir):
    """A folder of our own version, with relay's schema and a table in it."""
    server = EmbeddedServer(data_dir)
    server.join()
    migrate(server)
    ask(server, KEPT)
    server.leave()


def carry_over(data_dir, folder, told, programs):
    """Run the two commands as an operator would, in the environment in which relay runs."""
    commands = [line for line in told.splitlines() if line.startswith("  ")]
    assert len(commands) == 2
    for command in commands:
        done = subprocess.run(
            command,
            shell=True,
            check=False,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
            env={
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "PYTHONPATH": str(Path(relay.__file__).parent.parent),
                "RELAY_DATA_DIR": str(data_dir),
                "PGBIN": str(programs),
            },
        )
        assert done.returncode == 0, done.stdout + done.stderr


def has_arrived(data_dir):
    server = EmbeddedServer(data_dir)
    server.join()
    try:
        return find_schema(server) and ask(server, "SELECT answer FROM relay.kept") == [(42,)]
    finally:
        server.leave()


@pytest.mark.usefixtures("with_data")
def test_an_older_one_is_refused_with_two_commands_that_carry_it_over(data_dir, folder):
    pretend(data_dir, 17)
    told = refused(data_dir)
    assert f"was created by PostgreSQL 17, and this relay includes {OURS}" in told
    pretend(data_dir, OURS)
    carry_over(data_dir, folder, told, bin_path())
    assert has_arrived(data_dir)
    assert (data_dir / "postgres.17" / "PG_VERSION").exists()


@pytest.mark.usefixtures("with_data")
def test_a_newer_one_is_refused_and_says_which_relay_can_read_it(data_dir):
    pretend(data_dir, OURS + 1)
    told = refused(data_dir)
    assert f"was created by PostgreSQL {OURS + 1}, and this relay includes {OURS}" in told
    assert "install the version of relay that used it last" in told
    assert (data_dir / "postgres" / "PG_VERSION").read_text() == f"{OURS + 1}\n"


@pytest.mark.skipif(not OLDER, reason="no older PostgreSQL is installed")
def test_the_folder_of_an_older_server_is_carried_over(data_dir, folder):
    programs = OLDER[-1]
    make_folder_of(programs, data_dir)
    told = refused(data_dir)
    assert f"was created by PostgreSQL {programs.parent.name}" in told
    carry_over(data_dir, folder, told, programs)
    assert has_arrived(data_dir)


def make_folder_of(programs, data_dir):
    """As relay would have made it, with that server's programs."""
    data_dir.parent.chmod(0o711)  # the server may be another user
    data_dir.mkdir(mode=0o711)
    user, pgdata = server_user(), data_dir / "postgres"
    make_private(pgdata, user)

    def run(program, *words):
        subprocess.run(
            [programs / program, "-D", pgdata, *words],
            check=True,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            cwd="/",
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            env={"LC_ALL": "C"},
        )

    run("initdb", "-U", "postgres", "-E", "UTF8", "-A", "trust", "--locale=C")
    run("pg_ctl", "-w", "-l", "/dev/null", "-o", f"-c listen_addresses= -k '{pgdata}'", "start")
    migrate(ExternalServer(f"postgresql://postgres@/postgres?host={pgdata}"))
    with psycopg.connect(host=str(pgdata), user="postgres", dbname="postgres") as connection:
        connection.execute(KEPT)
    run("pg_ctl", "-w", "-m", "fast", "stop")
