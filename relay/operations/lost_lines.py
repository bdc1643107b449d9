"""Records the log lines that a process could not write, because its log cannot show them."""

import os
import socket

from relay import logs
from relay.store import Store
from relay.store.status import LostLinesRow


def report_lost_lines(store: Store, kind: str) -> None:
    """Record how many this process has lost so far, if any, for `relay status`.

    `kind` is `web` or `worker`. Raises DatabaseUnavailable.
    """
    lost = logs.lost_lines()
    if lost.last_at is not None:
        store.status.report_lost_lines(
            LostLinesRow(
                process=f"{kind} {os.getpid()} on {socket.gethostname()}",
                count=lost.count,
                last_at=lost.last_at,
                problem=lost.problem,
            )
        )
