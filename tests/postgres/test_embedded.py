"""relay's own PostgreSQL: real servers, real processes that share one, real kills."""

import os
import pwd
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest
from own_server import ask, servers_in, the_server_in, until

from relay.errors import DatabaseUnavailable
from relay.postgres.embedded import EmbeddedServer

IS_ROOT = os.geteuid() == 0
NOBODY = pwd.getpwnam("nobody")
CANNOT_PASS = 77  # a script's exit status where its user may not read what it needs

# The interpreter itself may lie where only root passes: all is imported before root becomes nobody.
AS_NOBODY = """
import encodings.idna, os, pwd, sys
from pathlib import Path
import psycopg
from relay.postgres.embedded import EmbeddedServer
from relay.postgres.programs import bin_path
from relay.errors import DatabaseUnavailable

if os.geteuid() == 0:
    nobody = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)
if not os.access(bin_path() / "postgres", os.X_OK):
    sys.exit(77)
server = EmbeddedServer(Path(sys.argv[1]))
"""


class TestTheFirstStart:
    def test_it_starts_in_a_folder_that_did_not_exist(self, server, data_dir):
        server.join()
        assert ask(server, "SELECT 1") == [(1,)]
        assert the_server_in(data_dir)

    def test_processes_that_join_at_once_share_one_server(self, member, data_dir):
        members = [member() for _ in range(4)]
        for each in members:
            each.wait_until_joined()
        assert sum(each.started_the_server for each in members) == 1
        assert the_server_in(data_dir)

    def test_the_folder_it_makes_is_readable_for_its_user_alone(self, server, data_dir):
        server.join()
        assert stat.S_IMODE(data_dir.stat().st_mode) & 0o066 == 0

    def test_a_half_made_folder_is_no_obstacle(self, server, data_dir):
        half_made = data_dir / "postgres.new" / "base"
        half_made.mkdir(parents=True)
        (data_dir / "postgres.new" / "PG_VERSION").write_text("18\n")
        server.join()
        assert ask(server, "SELECT 1") == [(1,)]

    @pytest.mark.parametrize(
        "initdb_goes_on", [False, True], ids=["and its initdb", "and not its initdb"]
    )
    def test_a_process_killed_during_its_first_start_is_no_obstacle(
        self, member, server, data_dir, initdb_goes_on
    ):
        killed = member()
        until(lambda: list(data_dir.glob("postgres.new*/PG_VERSION")))
        if initdb_goes_on:
            killed.kill_alone()
        else:
            killed.kill_with_its_children()
        assert not (data_dir / "postgres").exists()
        server.join()
        assert ask(server, "SELECT 1") == [(1,)]


@pytest.mark.usefixtures("not_the_first_start")
class TestWhoStartsAndStopsIt:
    def test_the_last_to_leave_stops_it(self, member, server, data_dir):
        members = [member() for _ in range(2)]
        for each in members:
            each.wait_until_joined()
        running = the_server_in(data_dir)
        members[0].leave()
        assert ask(server, "SELECT 1") == [(1,)]
        assert the_server_in(data_dir) == running
        members[1].leave()
        assert servers_in(data_dir) == []

    def test_a_killed_process_does_not_keep_the_last_one_from_stopping_it(self, member, data_dir):
        killed, last = member(), member()
        killed.wait_until_joined()
        last.wait_until_joined()
        killed.kill_alone()
        assert the_server_in(data_dir)
        last.leave()
        assert servers_in(data_dir) == []

    def test_where_the_last_is_killed_it_waits_for_the_next(self, member, server, data_dir):
        member().wait_until_joined().kill_with_its_children()
        running = the_server_in(data_dir)
        server.join()
        assert the_server_in(data_dir) == running
        server.leave()
        assert servers_in(data_dir) == []

    def test_a_child_that_leaves_does_not_leave_for_its_parent(self, server, data_dir):
        server.join()
        child = os.fork()
        if child == 0:
            server.leave()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert ask(server, "SELECT 1") == [(1,)]

    def test_leaving_is_safe_twice_and_without_having_joined(self, server, data_dir):
        server.leave()
        server.join()
        server.leave()
        server.leave()
        assert servers_in(data_dir) == []


@pytest.mark.usefixtures("not_the_first_start")
class TestWhatAKillLeaves:
    def test_a_killed_server_is_started_again_with_everything_committed(self, server, data_dir):
        server.join()
        ask(server, "CREATE TABLE kept AS SELECT generate_series(1, 1000)")
        the_server_in(data_dir).kill()
        server.ensure_running()
        assert ask(server, "SELECT count(*) FROM kept") == [(1000,)]
        server.leave()
        assert servers_in(data_dir) == []

    def test_several_that_find_it_killed_start_one(self, server, member, data_dir):
        server.join()
        the_server_in(data_dir).kill()
        members = [member() for _ in range(3)]
        for each in members:
            each.wait_until_joined()
        assert sum(each.started_the_server for each in members) == 1
        assert the_server_in(data_dir)

    def test_a_pid_file_that_names_another_living_process_is_no_obstacle(self, server, data_dir):
        server.join()
        the_server_in(data_dir).kill()
        pid_file = data_dir / "postgres" / "postmaster.pid"
        # PostgreSQL believes the file only if it could be its own: a process of the same user.
        owner = pid_file.stat().st_uid if IS_ROOT else None
        with subprocess.Popen(["sleep", "60"], user=owner) as other:
            try:
                _, *rest = pid_file.read_text().splitlines(keepends=True)
                pid_file.write_text("".join((f"{other.pid}\n", *rest)))
                server.ensure_running()
                assert ask(server, "SELECT 1") == [(1,)]
                assert other.poll() is None
            finally:
                other.kill()


@pytest.mark.usefixtures("not_the_first_start")
class TestWhoMayReachIt:
    def test_only_through_a_socket_in_a_folder_that_is_its_users_alone(self, server, data_dir):
        server.join()
        (socket,) = data_dir.rglob(".s.PGSQL.5432")
        for each in (socket.parent.stat(), socket.stat()):
            assert stat.S_IMODE(each.st_mode) == 0o700
        assert socket.parent.stat().st_uid == the_server_in(data_dir).uids().real

    def test_by_every_process_whatever_port_its_environment_names(self, member, server):
        member(PGPORT="6543").wait_until_joined()
        assert ask(server, "SELECT 1") == [(1,)]

    def test_no_port_is_open(self, server, data_dir):
        server.join()
        with psycopg.connect(server.conninfo) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
            sockets = connection.execute("SHOW unix_socket_directories").fetchone()
        assert sockets == (str(data_dir / "postgres"),)


class TestAPathTooLongForASocket:
    @pytest.fixture
    def data_dir(self, folder):
        (folder / ("long" * 30)).mkdir()
        return folder / ("long" * 30) / "data"

    @pytest.fixture
    def sockets(self, folder, monkeypatch):
        """The temporary folder, where such a socket goes."""
        sockets = folder / "sockets"
        sockets.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(sockets))
        return sockets

    @pytest.mark.usefixtures("not_the_first_start")
    def test_works(self, server, sockets, data_dir):
        server.join()
        (socket,) = sockets.glob("*/.s.PGSQL.5432")
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        assert ask(server, "SHOW data_directory") == [(str(data_dir / "postgres"),)]
        server.leave()
        server.join()
        assert ask(server, "SELECT 1") == [(1,)]

    def test_follows_no_link_in_place_of_the_socket_folder(self, server, sockets, folder):
        elsewhere = folder / "elsewhere"
        elsewhere.mkdir(mode=0o755)
        Path(psycopg.conninfo.conninfo_to_dict(server.conninfo)["host"]).symlink_to(elsewhere)
        before = elsewhere.stat()
        with pytest.raises(DatabaseUnavailable, match="is a link or a file"):
            server.join()
        assert elsewhere.stat() == before


@pytest.fixture(name="nobodys")
def _nobodys(folder, data_dir):
    """A folder for `data_dir` that belongs to nobody where we are root, else to us."""
    if IS_ROOT:
        os.chown(folder, NOBODY.pw_uid, NOBODY.pw_gid)
    return folder


def as_nobody(script, data_dir):
    """What the script prints that is run, with a `server`, by an ordinary user."""
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY + script, str(data_dir)],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == CANNOT_PASS:
        pytest.skip("the user nobody may not pass to this checkout's PostgreSQL")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


SERVE = """
server.join()
with psycopg.connect(server.conninfo) as connection:
    print(connection.execute("SELECT 'it serves'").fetchone()[0])
server.leave()
"""
REFUSED = """
try:
    server.join()
except DatabaseUnavailable as exc:
    print(exc)
"""


class TestWhoRunsIt:
    def test_an_ordinary_user_may(self, nobodys, data_dir):
        assert "it serves" in as_nobody(SERVE, data_dir)
        uid = NOBODY.pw_uid if IS_ROOT else os.geteuid()
        assert (data_dir / "postgres").stat().st_uid == uid
        assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
        assert servers_in(data_dir) == []

    @pytest.mark.usefixtures("not_the_first_start")
    @pytest.mark.skipif(not IS_ROOT, reason="only root has the server run as another user")
    def test_roots_server_is_not_roots(self, server, data_dir):
        server.join()
        assert the_server_in(data_dir).uids().real != 0

    @pytest.mark.skipif(not IS_ROOT, reason="only root has the server run as another user")
    def test_above_roots_server_folders_become_passable_and_not_readable(self, folder):
        above = folder / "above"
        above.mkdir(mode=0o700)
        (above / "beside").mkdir(mode=0o700)
        server = EmbeddedServer(above / "data")
        server.join()
        server.leave()
        assert stat.S_IMODE(above.stat().st_mode) == 0o701
        assert stat.S_IMODE((above / "data").stat().st_mode) == 0o711
        assert stat.S_IMODE((above / "beside").stat().st_mode) == 0o700
        assert stat.S_IMODE((above / "data" / "postgres").stat().st_mode) == 0o700

    def test_another_users_folder_is_refused_with_a_message(self):
        (told,) = as_nobody(REFUSED, "/usr")
        assert told.startswith("RELAY_DATA_DIR /usr belongs to another user")

    def test_an_own_folder_that_is_not_writable_is_refused_with_a_message(self, nobodys, data_dir):
        data_dir.mkdir(mode=0o500)
        if IS_ROOT:
            os.chown(data_dir, NOBODY.pw_uid, NOBODY.pw_gid)
        (told,) = as_nobody(REFUSED, data_dir)
        assert told == f"RELAY_DATA_DIR {data_dir} cannot be written to: Permission denied"

    def test_a_folder_inside_another_users_is_refused_with_a_message(self):
        (told,) = as_nobody(REFUSED, "/usr/relay-data")
        assert told == "RELAY_DATA_DIR /usr/relay-data cannot be created: Permission denied"

    @pytest.mark.skipif(not IS_ROOT, reason="only root can leave a folder as another user")
    def test_what_root_created_in_an_own_folder_is_refused_with_a_message(
        self, nobodys, server, data_dir
    ):
        server.join()
        server.leave()
        os.chown(data_dir, NOBODY.pw_uid, NOBODY.pw_gid)
        (told,) = as_nobody(REFUSED, data_dir)
        assert "run relay as its owner" in told

    @pytest.mark.skipif(not IS_ROOT, reason="only root may enter somebody else's folder")
    def test_another_users_server_is_refused_with_a_message(self, nobodys, server, data_dir):
        as_nobody(SERVE, data_dir)
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="belongs to another user"):
            server.join()
        assert time.monotonic() - began < 5
