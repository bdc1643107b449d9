"""`relay up`: database, web and worker in one command, for a laptop, a VM or one container.

    relay up          settings, mapping, the database and its schema; then this process becomes
    relay.supervisor  which starts web and worker, and restarts them; told to stop, it ends them
                      and, if the database is relay's own, becomes
    relay.up          which stops the database, unless another process uses it

It is one process all along: `exec` replaces its program, and so what that has imported.
"""

import os
import signal
import sys
from pathlib import Path

from relay.postgres.embedded import EmbeddedServer
from relay.postgres.migrate import migrate
from relay.postgres.server import Server, joined
from relay.supervisor import SIGNALS, load_log
from relay.terminal import exit_on_error

SUPERVISOR = (sys.executable, "-P", "-m", "relay.supervisor")


def run(server: Server) -> None:
    """Start the database, and become the supervisor. Raises DatabaseUnavailable."""
    with joined(server):
        migrate(server)
        # The supervisor unblocks them: a signal in between is not lost, and ends nothing halfway.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        joined_by = server.keep_over_exec() if isinstance(server, EmbeddedServer) else ()
        os.execv(SUPERVISOR[0], (*SUPERVISOR, *joined_by))


def _leave(data_dir: Path, membership: int) -> None:
    """Leave relay's own database, which this process has joined before it became another.

    Without the settings, which may be invalid by now: a secret's file that is gone, for instance.
    """
    load_log()
    with exit_on_error():
        EmbeddedServer(data_dir, joined_by=membership).leave()


if __name__ == "__main__":
    _leave(Path(sys.argv[1]), int(sys.argv[2]))
