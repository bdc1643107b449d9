"""`relay migrate`: the database is brought up to date."""

from psycopg.conninfo import conninfo_to_dict

from relay.postgres.migrations import HEAD


class TestMigrate:
    def test_prints_what_was_applied(self, command, empty_database):
        named = conninfo_to_dict(empty_database.conninfo)
        url = f"postgresql:///{named['dbname']}?host={named['host']}&user={named['user']}"
        if "password" in named:
            url += f"&password={named['password']}&port={named['port']}"
        assert (
            command("migrate", RELAY_DATABASE_URL=url).stdout
            == f"applied: procrastinate, {', '.join(f'{n:04}' for n in range(1, int(HEAD) + 1))}\n"
        )
        assert command("migrate", RELAY_DATABASE_URL=url).stdout == "up to date\n"
