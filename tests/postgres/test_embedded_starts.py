"""How relay's own PostgreSQL starts: in any environment, after any end, or with the true reason."""

import fcntl
import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from own_server import ask, servers_in, the_server_in, until

from relay.errors import DatabaseUnavailable
from relay.postgres import embedded, server_log
from relay.postgres.embedded import EmbeddedServer
from relay.postgres.membership import Membership, locked, open_lock

IS_ROOT = os.geteuid() == 0
NOBODY = pwd.getpwnam("nobody")
for_root = pytest.mark.skipif(not IS_ROOT, reason="only root can leave a folder as another user")

# What the environment may hold for somebody else's server, all of it nonsense here.
LIBPQS = {
    **{
        variable.envvar.decode(): "nonsense"
        for variable in psycopg.pq.Conninfo.get_defaults()
        if variable.envvar
    },
    "PGHOSTADDR": "192.0.2.1",
    "PGOPTIONS": "-c no_such_parameter=1",
    "PGSERVICEFILE": "/nowhere",
    "PGDATA": "/nowhere",
    "PGDATESTYLE": "nonsense",
    "PGTZ": "nonsense",
    "PGGEQO": "nonsense",
}
LOCALES = {"LANG": "en_US.UTF-8", "LC_ALL": "de_DE.UTF-8", "LC_MESSAGES": "nonsense"}


class TestWhateverTheEnvironment:
    @pytest.mark.parametrize("environment", [LIBPQS, LOCALES], ids=["PG*", "locale"])
    def test_it_starts_for_the_first_time(self, member, environment, server):
        member(**environment).wait_until_joined()
        assert ask(server, "SHOW server_encoding") == [("UTF8",)]

    @pytest.mark.usefixtures("not_the_first_start")
    def test_a_process_that_uses_it_forgets_what_libpq_would_read(self, server, monkeypatch):
        server.join()
        for name, value in LIBPQS.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(psycopg.Error):
            psycopg.connect(server.conninfo)
        EmbeddedServer(Path("var"))
        assert ask(server, "SELECT 1") == [(1,)]


@pytest.mark.usefixtures("not_the_first_start")
class TestAStaleLock:
    @pytest.fixture(params=["a process of another program", "a zombie"])
    def pid(self, request, data_dir):
        """Of the server's own user: PostgreSQL takes such a process for a server."""
        owner = (data_dir / "postgres").stat().st_uid if IS_ROOT else None
        seconds = "0" if request.param == "a zombie" else "60"
        other = subprocess.Popen(["sleep", seconds], user=owner)
        if request.param == "a zombie":
            os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        yield other.pid
        other.kill()
        other.wait()

    def test_of_its_socket_is_no_obstacle(self, server, data_dir, pid):
        server.join()
        the_server_in(data_dir).kill()
        lock = data_dir / "postgres" / ".s.PGSQL.5432.lock"
        _, *rest = lock.read_text().splitlines(keepends=True)
        lock.write_text("".join((f"{pid}\n", *rest)))
        server.ensure_running(within=5)
        assert ask(server, "SELECT 1") == [(1,)]


def fails_to_join(server):
    """The reason, which came at once."""
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable) as failed:
        server.join()
    assert time.monotonic() - began < embedded.START_SECONDS / 3
    return str(failed.value)


@pytest.mark.usefixtures("not_the_first_start")
class TestAFolderOfNoUse:
    @pytest.mark.parametrize(
        ("damage", "reason"),
        {
            "PG_VERSION": "has no file PG_VERSION: restore a backup in its place",
            "global/pg_control": "global/pg_control",
            "pg_wal": 'required WAL directory "pg_wal" does not exist',
            "base/5/PG_VERSION": 'refuses connections: "base/5" is not a valid data directory',
        }.items(),
    )
    def test_that_is_damaged_is_refused_with_postgresqls_reason(
        self, server, data_dir, damage, reason
    ):
        damaged = data_dir / "postgres" / damage
        shutil.rmtree(damaged) if damaged.is_dir() else damaged.unlink()
        assert reason in fails_to_join(server)
        assert servers_in(data_dir) == []

    def test_whose_settings_are_wrong_is_refused_with_the_line(self, server, data_dir):
        with (data_dir / "postgres" / "postgresql.conf").open("a") as conf:
            conf.write("no_such_parameter = 1\n")
        told = fails_to_join(server)
        assert 'unrecognized configuration parameter "no_such_parameter" in file' in told

    def test_that_others_may_enter_is_refused_with_the_mode_it_needs(self, server, data_dir):
        (data_dir / "postgres").chmod(0o777)
        assert "Permissions should be u=rwx (0700)" in fails_to_join(server)

    def test_that_cannot_start_is_not_tried_again_at_once(self, server, data_dir):
        shutil.rmtree(data_dir / "postgres" / "pg_wal")
        log = data_dir / "postgres" / "server.log"
        reason = fails_to_join(server)
        size = log.stat().st_size
        server._start_again_at += 60  # so that this test may be slow
        with pytest.raises(DatabaseUnavailable) as again:
            server.ensure_running()
        assert (str(again.value), log.stat().st_size) == (reason, size)
        server._start_again_at = time.monotonic()
        with pytest.raises(DatabaseUnavailable):
            server.ensure_running()
        assert log.stat().st_size > size
        assert server._start_again_at - time.monotonic() > embedded.FIRST_PAUSE  # it has grown


class TestWhoseTheFolderIs:
    def test_a_data_dir_that_is_a_link_works_and_is_the_same_server(self, server, data_dir, folder):
        link = folder / "link"
        link.symlink_to(data_dir)
        through_the_link = EmbeddedServer(link)
        through_the_link.join()
        server.join()
        assert server.conninfo == through_the_link.conninfo
        assert the_server_in(data_dir)
        through_the_link.leave()

    def test_a_link_in_the_servers_own_place_is_not_followed(self, server, data_dir, folder):
        elsewhere = folder / "elsewhere"
        elsewhere.mkdir()
        data_dir.mkdir(mode=0o711)
        (data_dir / "postgres").symlink_to(elsewhere)
        assert "postgres is a link or a file" in fails_to_join(server)
        assert list(elsewhere.iterdir()) == []

    @pytest.mark.parametrize("name", ["lock", "members"])
    def test_a_link_in_a_lock_files_place_is_not_followed(self, server, data_dir, folder, name):
        data_dir.mkdir(mode=0o711)
        (data_dir / name).symlink_to(folder / "made-by-a-link")
        assert f"{name} cannot be opened" in fails_to_join(server)
        assert not (folder / "made-by-a-link").exists()

    @for_root
    def test_root_refuses_a_folder_of_another_user(self, server, data_dir):
        data_dir.mkdir()
        os.chown(data_dir, NOBODY.pw_uid, NOBODY.pw_gid)
        assert "belongs to another user, nobody" in fails_to_join(server)

    @for_root
    @pytest.mark.parametrize(("mode", "is_fine"), [(0o777, False), (0o775, False), (0o1777, True)])
    def test_root_refuses_a_folder_where_others_may_replace_things(
        self, server, data_dir, mode, is_fine
    ):
        data_dir.mkdir()
        data_dir.chmod(mode)
        if is_fine:
            server.join()
        else:
            assert f"chmod go-w {data_dir}" in fails_to_join(server)

    @for_root
    def test_root_reads_and_cuts_no_log_behind_a_link(
        self, server, data_dir, folder, not_the_first_start, monkeypatch
    ):
        monkeypatch.setattr(server_log, "LARGEST", 10)
        precious = folder / "precious"
        precious.write_text("precious\n" * 100)
        server.join()
        log = data_dir / "postgres" / "server.log"
        log.unlink()
        log.symlink_to(precious)
        server.ensure_running()
        log.unlink()
        os.link(precious, log)
        server.ensure_running()
        assert precious.read_text() == "precious\n" * 100


@pytest.mark.usefixtures("not_the_first_start")
class TestItsLog:
    def test_is_cut_to_its_newest_part_when_it_is_large(self, server, data_dir, monkeypatch):
        server.join()
        monkeypatch.setattr(server_log, "LARGEST", 20_000)
        monkeypatch.setattr(server_log, "KEPT", 1_000)
        log = data_dir / "postgres" / "server.log"
        for _ in range(30):
            with pytest.raises(psycopg.errors.DivisionByZero):
                ask(server, f"SELECT 1/0 -- {'x' * 1000}")
        assert log.stat().st_size > 20_000
        server.ensure_running()
        assert log.stat().st_size < 2_000
        with pytest.raises(psycopg.errors.UndefinedTable):
            ask(server, "SELECT 1 FROM written_afterwards")
        until(lambda: "written_afterwards" in log.read_text())


@pytest.mark.usefixtures("not_the_first_start")
class TestTheEnd:
    def test_a_forked_child_is_no_user_of_the_server(self, tmp_path):
        membership = Membership(open_lock(tmp_path / "members"))
        child = os.fork()
        if child == 0:
            time.sleep(30)
            os._exit(0)
        membership.end()
        lock = open_lock(tmp_path / "members")
        try:
            until(lambda: locked(lock, fcntl.LOCK_EX))
        finally:
            os.close(lock)
            os.kill(child, 9)
            os.waitpid(child, 0)

    def test_a_server_that_cannot_stop_in_order_is_stopped_all_the_same(
        self, server, data_dir, monkeypatch
    ):
        monkeypatch.setattr(embedded, "STOP_SECONDS", 1)
        server.join()
        running = the_server_in(data_dir)
        before = running.children()
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(str(data_dir / "postgres" / ".s.PGSQL.5432"))
            until(lambda: set(running.children()) - set(before))
            server.leave()
        assert servers_in(data_dir) == []

    def test_a_process_terminated_while_it_starts_the_server_leaves_none(self, data_dir):
        script = (
            "import pathlib, time; from relay.postgres.embedded import EmbeddedServer;"
            "from relay.postgres.server import joined;"
            "from relay.terminal import ended_by_signals\n"
            f"with ended_by_signals(), joined(EmbeddedServer(pathlib.Path({str(data_dir)!r}))):\n"
            "    time.sleep(60)"
        )
        pid_file = data_dir / "postgres" / "postmaster.pid"
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as starting:
            until(pid_file.exists)
            starting.terminate()
            assert starting.wait(10) == 0
        assert servers_in(data_dir) == []
